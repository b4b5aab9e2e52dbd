/**
 * What happens in a world, from the outside: faults strike, who died is started again, and when all faults are over
 * every command that was begun has to come to its end, with nothing left behind.
 */
import type { TransferSummary } from '../../src/client/api/events.ts';
import type { ClientActor, Outcome } from './actors/client-actor.ts';
import { drawFaults, endTroubles, MAX_JUMP_MS, type Cast, type Fault } from './faults.ts';
import { HONEST } from './honest.ts';
import { checkResidue } from './promises/residue.ts';
import type { Watch } from './promises/watch.ts';
import type { Machine } from './system/machine.ts';

/** What says that another client has the transfer now. */
const TAKEN_OVER = new Set(['session-fenced', 'session-credential']);

/** More steps than any seed needs: what is not done by then will never be. */
const MAX_STEPS = 40_000;
/** Runs of one command after the last fault. */
const MAX_CALM_RUNS = 6;
const MINUTE_MS = 60_000;
/** Longer than all that a server keeps, also by a clock that went back. */
const AFTERMATH_MS = 45 * MINUTE_MS + 2 * MAX_JUMP_MS;

/** Lets one world happen. */
export class Director {
  readonly #cast: Cast;
  readonly #watch: Watch;
  readonly #faults: Fault[];
  /** Until then what was begun may still go wrong. */
  readonly #calmAtStep: number;
  #phase: 'trouble' | 'calm' | 'aftermath' | 'over' = 'trouble';
  readonly #done = new Set<ClientActor>();
  #calmRuns = 0;

  constructor(cast: Cast, watch: Watch) {
    this.#cast = cast;
    this.#watch = watch;
    const { world, server, clients } = cast;
    this.#faults = drawFaults(world);
    this.#calmAtStep = (this.#faults.at(-1)?.atStep ?? 0) + world.chance.int(0, 300);
    world.onPowerCut = (machine) => {
      watch.powerCut(machine);
      this.#bootLater(machine);
    };
    server.onExit = () => this.#restartServerLater();
    for (const client of clients) client.onOutcome = (outcome) => this.#onOutcome(client, outcome);
    server.start();
    world.scheduler.after(world.chance.next() * 5, () => clients[0].start());
  }

  /** Whether there is nothing more to see. */
  get isOver(): boolean {
    return this.#phase === 'over' || this.#cast.world.violation !== undefined;
  }

  /** Called between any two steps. */
  direct(): void {
    const { world } = this.#cast;
    if (world.scheduler.steps > MAX_STEPS) {
      world.break('liveness', `after ${MAX_STEPS} steps it is still not done (${this.#phase})`);
    }
    if (this.#phase !== 'trouble') return;
    while (this.#faults[0] !== undefined && world.scheduler.steps >= this.#faults[0].atStep) {
      const fault = this.#faults.shift()!;
      world.trace.say('FAULT', () => fault.name);
      fault.happen(this.#cast);
    }
    const isLate = world.scheduler.steps >= this.#calmAtStep || this.#isAllDone();
    if (this.#faults.length === 0 && isLate && !this.#isTroubled()) this.#calmDown();
  }

  /** Whether something that was begun is still going wrong by itself. */
  #isTroubled(): boolean {
    const { world, clients } = this.#cast;
    const { cutProbability, silenceProbability, isDown } = world.network.trouble;
    return (
      cutProbability > 0 ||
      silenceProbability > 0 ||
      isDown ||
      [world.server, ...clients.map(({ machine }) => machine)].some(
        ({ trouble, isUp }) => trouble.isFull || trouble.isReadOnly || !isUp,
      )
    );
  }

  #calmDown(): void {
    this.#phase = 'calm';
    this.#cast.world.trace.say('CALM', () => 'all faults are over');
    endTroubles(this.#cast);
    this.#cast.server.start();
    this.#goOn();
  }

  #onOutcome(client: ClientActor, outcome: Outcome): void {
    const { world } = this.#cast;
    if (outcome.type === 'failed' && !HONEST.has(outcome.code)) {
      world.break('no bugs', `${client.name} ended with ${outcome.code}: ${outcome.message}`);
    }
    if (outcome.type === 'failed' && TAKEN_OVER.has(outcome.code) && this.#cast.clients[1].runs === 0) {
      world.break(
        'honest',
        `${client.name} was told of another client, and there is none: ${outcome.message}`,
      );
    }
    if (outcome.type === 'done') this.#checkDone(client, outcome.summary);
    if (this.#done.has(client)) return this.#goOn();
    if (this.#phase === 'calm' && ++this.#calmRuns > MAX_CALM_RUNS) {
      world.break('liveness', `${client.name} still fails after the last fault: ${JSON.stringify(outcome)}`);
    }
    world.scheduler.after(client.pauseMs(), () => {
      if (this.#phase === 'calm') this.#goOn();
      else if (!this.#done.has(client)) client.start();
    });
  }

  #checkDone(client: ClientActor, summary: TransferSummary): void {
    const { world } = this.#cast;
    world.meet('finished command');
    // Some entries changed meanwhile, and were named: the command has to be run again.
    if (summary.excluded > 0) return;
    // A pull that only publishes what an earlier run had fetched and agreed on does not ask for what is new since.
    const isOfEarlierRun =
      summary.direction === 'pull' && summary.bytesMoved === 0 && summary.bytesResumed > 0;
    const isLast = client.sourceVersions() === client.versionsAtStart && !isOfEarlierRun;
    const receiver = world.scenario.direction === 'push' ? world.server : client.machine;
    const wanted = isLast ? 'the last version' : 'some version';
    this.#watch.published.committed(receiver, wanted, `${client.name} succeeded`);
    if (isLast) this.#done.add(client);
  }

  /** After the last fault one command after the other comes to its end, and then everything that was kept for it. */
  #goOn(): void {
    if (this.#phase !== 'calm') {
      if (this.#faults.length > 0 && this.#isAllDone()) this.#faults.length = 0;
      return;
    }
    const { world, clients } = this.#cast;
    if (clients.some(({ process }) => process !== undefined)) return;
    const next = clients.find((client) => client.runs > 0 && !this.#done.has(client));
    if (next !== undefined) {
      next.start();
      return;
    }
    this.#phase = 'aftermath';
    world.scheduler.after(AFTERMATH_MS, () => {
      checkResidue(this.#cast);
      this.#phase = 'over';
    });
  }

  #isAllDone(): boolean {
    return (
      this.#done.size > 0 && this.#cast.clients.every((client) => client.runs === 0 || this.#done.has(client))
    );
  }

  #bootLater(machine: Machine): void {
    const { world } = this.#cast;
    world.scheduler.after(200 + world.chance.next() * 10_000, () => {
      machine.boot();
      if (machine === world.server) this.#cast.server.start();
    });
  }

  #restartServerLater(): void {
    const { world, server } = this.#cast;
    const delayMs = 20 + world.chance.next() * world.chance.pick([100, 5000, 90_000]);
    world.scheduler.after(delayMs, () => server.start());
  }
}
