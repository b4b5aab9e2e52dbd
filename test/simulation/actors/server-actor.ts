/** The server of a world: started, killed, drained and started again. */
import type { StoreIncident } from '../../../src/storage/incident.ts';
import type { RunningServer } from '../../../src/server/server.ts';
import type { LoadedRealm } from '../realm.ts';
import { PLACE } from '../scenario.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { World } from '../world.ts';

const MINUTE_MS = 60_000;

/** What the server keeps for how long; short, so that a seed sees the end of it. */
export const SERVER_TIMES = {
  limits: {
    idleSessionMs: MINUTE_MS,
    idleHeldMs: 3 * MINUTE_MS,
    keepCommittedMs: 10 * MINUTE_MS,
    keepEndedMs: 5 * MINUTE_MS,
    orphanStagingMs: 15 * MINUTE_MS,
    collectEveryMs: 10 * MINUTE_MS,
  },
} as const;

/** What a client has to show to the server. */
export const ACCESS_TOKEN = 'simulated-access-token';

/** Runs the server's code; there is at most one process of it at a time. */
export class ServerActor {
  readonly #world: World;
  readonly #loaded: LoadedRealm;
  /** Told when a process of the server has ended. */
  onExit: () => void = () => undefined;
  #process: SimulatedProcess | undefined;
  #running: RunningServer | undefined;

  constructor(world: World, loaded: LoadedRealm) {
    this.#world = world;
    this.#loaded = loaded;
  }

  /** The process, while it lives. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Starts the server, if it does not run and its machine does. */
  start(): void {
    const world = this.#world;
    if (this.#process !== undefined || !world.server.isUp) return;
    const process = world.spawn(world.server, 'server');
    this.#process = process;
    this.#loaded.realm.process = process;
    world.trace.say('server', () => `started (pid ${process.pid})`);
    world.exits.set(process, () => {
      this.#process = undefined;
      this.#running = undefined;
      this.onExit();
    });
    this.#boot(process).catch((error: unknown) => {
      if (!process.isAlive) return;
      world.trace.say('server', () => `could not start: ${String(error)}`);
      if ((error as { code?: string }).code === 'internal')
        world.break('no bugs', `the server: ${String(error)}`);
      process.end('killed');
    });
  }

  /** Ends the server in order, as SIGTERM does. */
  drain(): void {
    const [process, running] = [this.#process, this.#running];
    if (process === undefined || running === undefined) return;
    this.#world.trace.say('server', () => 'drains');
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
    const { scenario, trace } = this.#world;
    const say = (level: string) => (fields: object, message: string) =>
      trace.say('server', () => `[${level}] ${message} ${JSON.stringify(fields)}`);
    const content = await code.openLocalDisk(PLACE.serverRoot, {
      useNative: scenario.useNative,
      onIncident: (incident) => this.#onIncident(incident),
    });
    const sessions = await code.openLocalSessionStore(PLACE.serverState, {
      onIncident: ({ problem }) => this.#world.break('records', problem),
    });
    const running = await code.startServer({
      content,
      sessions,
      authenticators: [code.createStaticToken(ACCESS_TOKEN)],
      listen: { host: 'server', port: 7000 },
      version: '0',
      sessionKey: new Uint8Array(32),
      log: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
      groupCommit: scenario.groupCommit,
      leaseMs: scenario.leaseMs,
      ...SERVER_TIMES,
    });
    if (process.isAlive) this.#running = running;
  }

  #onIncident({ kind, problem, remedy }: StoreIncident): void {
    if (kind === 'journal-damaged') this.#world.meet('damaged journal');
    this.#world.trace.say('server', () => `INCIDENT ${problem}: ${remedy}`);
  }
}
