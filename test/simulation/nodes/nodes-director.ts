/**
 * What happens in a world of nodes, from the outside: faults strike, nodes that died are started again, and when all faults
 * are over every command that was begun has to come to its end, with nothing left behind in the store.
 */
import type { ClientActor, Outcome } from '../actors/client-actor.ts';
import { HONEST } from '../honest.ts';
import type { NodeActor } from './node-actor.ts';
import { drawNodesFaults, endNodesTroubles, type NodesCast, type NodesFault } from './nodes-faults.ts';
import { checkNothingLeft } from './nothing-left.ts';
import type { PublishedWatch } from './published-tree.ts';

/** More steps than any seed needs: what is not done by then will never be. */
const MAX_STEPS = 150_000;
/** Runs of all commands after the last fault. */
const MAX_CALM_RUNS = 10;
const MINUTE_MS = 60_000;
/** Longer than all that nodes keep, and the runs of the collector that see the end of it. */
const AFTERMATH_MS = 7 * MINUTE_MS;

/** Lets one world happen. */
export class NodesDirector {
  readonly #cast: NodesCast;
  readonly #published: PublishedWatch;
  readonly #faults: NodesFault[];
  #phase: 'trouble' | 'calm' | 'aftermath' | 'over' = 'trouble';
  readonly #done = new Set<ClientActor>();
  #calmRuns = 0;

  constructor(cast: NodesCast, published: PublishedWatch) {
    this.#cast = cast;
    this.#published = published;
    const { world, nodes, clients } = cast;
    this.#faults = drawNodesFaults(world);
    for (const node of nodes) {
      node.onExit = () => this.#startLater(node);
      node.start();
    }
    for (const client of clients) {
      client.onOutcome = (outcome) => this.#onOutcome(client, outcome);
      world.scheduler.after(50 + world.chance.next() * 600, () => client.start());
    }
  }

  /** Whether there is nothing more to see. */
  get isOver(): boolean {
    return this.#phase === 'over' || this.#cast.world.violation !== undefined;
  }

  /** Called between any two steps. */
  direct(): void {
    const { world } = this.#cast;
    if (world.scheduler.steps > MAX_STEPS)
      world.break('liveness', `after ${MAX_STEPS} steps it is still not done (${this.#phase})`);
    if (this.#phase !== 'trouble') return;
    while (this.#faults[0] !== undefined && world.scheduler.steps >= this.#faults[0].atStep) {
      const fault = this.#faults.shift()!;
      world.trace.say('FAULT', () => fault.name);
      fault.happen(this.#cast);
    }
    if (this.#isAllDone()) this.#faults.length = 0;
    if (this.#faults.length === 0 && !this.#isTroubled()) this.#calmDown();
  }

  /** Whether something that was begun is still going wrong by itself. */
  #isTroubled(): boolean {
    const { world, nodes } = this.#cast;
    const { trouble } = world.bucket;
    const isBad =
      trouble.isDown || Object.values(trouble).some((value) => typeof value === 'number' && value > 0);
    const isWaiting = world.ambush !== undefined && !this.#isAllDone();
    const isStopped = nodes.some(({ process }) => process === undefined || process.isStopped);
    return isBad || isWaiting || isStopped || world.network.trouble.cutProbability > 0;
  }

  #calmDown(): void {
    this.#phase = 'calm';
    this.#cast.world.trace.say('CALM', () => 'all faults are over');
    endNodesTroubles(this.#cast);
    this.#goOn();
  }

  #onOutcome(client: ClientActor, outcome: Outcome): void {
    const { world } = this.#cast;
    if (outcome.type === 'failed' && !HONEST.has(outcome.code))
      world.break('no bugs', `${client.name} ended with ${outcome.code}: ${outcome.message}`);
    if (outcome.type === 'done') {
      world.meet('finished command');
      if (!this.#published.hasAppeared(client.name))
        world.break('success means published', `${client.name} succeeded, and its files were never there`);
      this.#done.add(client);
      return this.#goOn();
    }
    if (this.#phase === 'calm' && ++this.#calmRuns > MAX_CALM_RUNS)
      world.break('liveness', `${client.name} still fails after the last fault: ${JSON.stringify(outcome)}`);
    world.scheduler.after(client.pauseMs(), () => client.start());
  }

  /** After the last fault all commands come to their end, and then everything that was kept for them. */
  #goOn(): void {
    const { world } = this.#cast;
    if (this.#phase !== 'calm' || !this.#isAllDone()) return;
    this.#phase = 'aftermath';
    world.scheduler.after(AFTERMATH_MS, () => {
      checkNothingLeft(world, this.#published);
      this.#phase = 'over';
    });
  }

  #isAllDone(): boolean {
    return this.#cast.clients.every((client) => this.#done.has(client));
  }

  #startLater(node: NodeActor): void {
    const { world } = this.#cast;
    const delayMs = 20 + world.chance.next() * world.chance.pick([100, 5000, 40_000]);
    world.scheduler.after(delayMs, () => node.start());
  }
}
