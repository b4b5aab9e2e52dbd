/** A node of a world: a server over the bucket, started, stopped, killed, drained and started again. */
import type { RunningServer } from '../../../src/server/server.ts';
import { ACCESS_TOKEN } from '../actors/server-actor.ts';
import type { LoadedRealm } from '../realm.ts';
import type { Machine } from '../system/machine.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { NodesWorld } from './nodes-world.ts';
import { STORE } from './place.ts';

const KEYS = { accessKeyId: 'simulated', secretAccessKey: 'simulated' };

/** What nodes keep for how long; short, so that a seed sees the end of it. */
export const KEPT = {
  idleSessionMs: 20_000,
  keepCommittedMs: 100_000,
  keepEndedMs: 30_000,
  orphanStagingMs: 30_000,
};

/** Runs the code of one node; there is at most one process of it at a time. */
export class NodeActor {
  readonly machine: Machine;
  readonly #world: NodesWorld;
  readonly #loaded: LoadedRealm;
  /** Told when a process of the node has ended. */
  onExit: () => void = () => undefined;
  #process: SimulatedProcess | undefined;
  #running: RunningServer | undefined;

  constructor(world: NodesWorld, machine: Machine, loaded: LoadedRealm) {
    this.#world = world;
    this.machine = machine;
    this.#loaded = loaded;
  }

  /** The process, while it lives. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Starts the node, if it does not run. */
  start(): void {
    if (this.#process !== undefined) return;
    const world = this.#world;
    const { name } = this.machine;
    const process = world.spawn(this.machine, name);
    this.#process = process;
    this.#loaded.realm.process = process;
    world.trace.say(name, () => `started (pid ${process.pid})`);
    world.exits.set(process, () => {
      this.#process = undefined;
      this.#running = undefined;
      this.onExit();
    });
    this.#boot(process).catch((error: unknown) => {
      if (!process.isAlive) return;
      world.trace.say(name, () => `could not start: ${String(error)}`);
      if ((error as { code?: string }).code === 'internal')
        world.break('no bugs', `${name}: ${String(error)}`);
      process.end('killed');
    });
  }

  /** Ends the node in order, as SIGTERM does. */
  drain(): void {
    const [process, running] = [this.#process, this.#running];
    if (process === undefined || running === undefined) return;
    this.#world.meet('drained node');
    this.#running = undefined;
    running.drain({ graceMs: 1000 }).then(
      () => process.end('killed'),
      (error: unknown) => {
        if (!process.isAlive) return;
        this.#world.break('no bugs', `draining failed: ${String(error)}`);
        process.end('killed');
      },
    );
  }

  async #boot(process: SimulatedProcess): Promise<void> {
    const { code } = this.#loaded;
    const { trace, times, bucket } = this.#world;
    const say = (level: string) => (fields: object, message: string) =>
      trace.say(process.name, () => `[${level}] ${message} ${JSON.stringify(fields, errorsToo)}`);
    const exchange = bucket.exchangerOf(process);
    const client = code.createS3Client({ place: STORE, exchange, credentials: async () => KEYS });
    const objects = code.createS3Objects(client);
    const state = code.createObjectState(objects);
    const running = await code.startServer({
      content: code.createObjectContent(objects, { keepUnusedMs: times.keepUnusedMs }),
      sessions: code.createDocumentSessions(state, ({ problem }) => this.#world.break('records', problem)),
      state,
      authenticators: [code.createStaticToken(ACCESS_TOKEN)],
      listen: { host: process.name, port: 7000 },
      version: '0',
      sessionKey: new Uint8Array(32),
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      leaseMs: times.leaseMs,
      limits: { ...KEPT, collectEveryMs: times.collectEveryMs },
    });
    if (process.isAlive) this.#running = running;
  }
}

function errorsToo(_name: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
