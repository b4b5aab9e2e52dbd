/** A client of a world: a command that is run again until it succeeds. */
import type { TransferSummary } from '../../../src/client/api/events.ts';
import type { LoadedRealm } from '../realm.ts';
import { PLACE, type Scenario } from '../scenario.ts';
import type { Machine } from '../system/machine.ts';
import type { SimulatedProcess } from '../system/process.ts';
import type { Ground } from '../ground.ts';
import { ACCESS_TOKEN } from './server-actor.ts';

/** How a run of the command ended. */
export type Outcome =
  | { readonly type: 'done'; readonly summary: TransferSummary }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  | { readonly type: 'killed' };

const MINUTE_MS = 60_000;
const TOKEN = async (): Promise<string> => ACCESS_TOKEN;

/** Runs the client's code; there is at most one process of it at a time. */
export class ClientActor {
  readonly name: string;
  readonly machine: Machine;
  readonly #world: Ground;
  readonly #scenario: Scenario;
  readonly #loaded: LoadedRealm;
  onOutcome: (outcome: Outcome) => void = () => undefined;
  #process: SimulatedProcess | undefined;
  #interruption: AbortController | undefined;
  runs = 0;
  /** Whether nobody comes back for longer than any lease. */
  absence = false;
  /** What {@link sourceVersions} was when the last run began. */
  versionsAtStart = 0;

  constructor(
    world: Ground,
    at: { name: string; machine: Machine; loaded: LoadedRealm; scenario: Scenario },
  ) {
    this.#world = world;
    this.#scenario = at.scenario;
    this.name = at.name;
    this.machine = at.machine;
    this.#loaded = at.loaded;
  }

  /** The process, while it lives. */
  get process(): SimulatedProcess | undefined {
    return this.#process;
  }

  /** Runs the command, if it does not run and its machine does. */
  start(): void {
    if (this.#process !== undefined || !this.machine.isUp) return;
    const process = this.#world.spawn(this.machine, this.name);
    this.#process = process;
    this.#loaded.realm.process = process;
    this.runs += 1;
    this.versionsAtStart = this.sourceVersions();
    this.#world.trace.say(this.name, () => `RUN ${this.runs} (pid ${process.pid})`);
    let isSettled = false;
    const settle = (outcome: Outcome): void => {
      if (isSettled) return;
      isSettled = true;
      this.#world.exits.delete(process);
      this.#process = undefined;
      process.end('killed');
      this.#world.trace.say(this.name, () => `ENDED ${JSON.stringify(outcome)}`);
      this.onOutcome(outcome);
    };
    this.#world.exits.set(process, () => settle({ type: 'killed' }));
    this.#command().then(
      (summary) => settle({ type: 'done', summary }),
      (error: unknown) => settle(failureOf(error)),
    );
  }

  /** How many contents the files of the source have had together. */
  sourceVersions(): number {
    return this.#scenario.files.reduce((sum, { versions }) => sum + versions.length, 0);
  }

  /** As a first Ctrl-C does. */
  interrupt(): void {
    const { CairnError } = this.#loaded.code;
    this.#interruption?.abort(new CairnError('interrupted', 'simulated: interrupted'));
  }

  #command(): Promise<TransferSummary> {
    const { chance, trace } = this.#world;
    const scenario = this.#scenario;
    const { code } = this.#loaded;
    this.#interruption = new AbortController();
    const options = {
      url: new URL(`http://server:7000/${PLACE.name}`),
      token: TOKEN,
      retryForMs: scenario.retryForMs,
      sync: scenario.sync,
      compress: scenario.compress,
      signal: this.#interruption.signal,
      report: (event: object): void => trace.say(this.name, () => JSON.stringify(event)),
      random: () => chance.next(),
      stateHome: PLACE.state,
      resumeCommand: [],
      parallel: scenario.parallel,
      chunkSizeBytes: scenario.chunkSizeBytes,
      digest: scenario.digest,
    };
    if (scenario.direction === 'push') return code.push([PLACE.source], options);
    return code.pull(PLACE.destination, options);
  }

  /** How long a person, or cron, waits before the command is run again. */
  pauseMs(): number {
    const { chance } = this.#world;
    const isLong = this.absence;
    this.absence = false;
    return isLong ? 16 * MINUTE_MS : chance.next() * 30_000;
  }
}

function failureOf(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'none';
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { type: 'failed', code, message };
}
