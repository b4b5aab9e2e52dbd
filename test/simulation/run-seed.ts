/** One seed from its beginning to its end. */
import { ClientActor } from './actors/client-actor.ts';
import { ServerActor } from './actors/server-actor.ts';
import { Director } from './director.ts';
import { countTornWrites } from './disk/inode.ts';
import type { Hashers } from './promises/claims.ts';
import { watchPromises } from './promises/watch.ts';
import type { Cast } from './faults.ts';
import type { Ground } from './ground.ts';
import { World, type Realms } from './world.ts';

/** What became of a seed. */
export interface SeedResult {
  readonly seed: number;
  /** Undefined where every promise was kept. */
  readonly violation: string | undefined;
  /** The same for every run of the same seed. */
  readonly hash: string;
  readonly steps: number;
  /** What the seed has met, and how often. */
  readonly met: ReadonlyMap<string, number>;
}

/** What seeds run in. */
export interface Stage {
  readonly realms: Realms;
  readonly hashers: Hashers;
}

/** Runs a seed. @param print takes the lines of its trace */
export async function runSeed(
  seed: number,
  { realms, hashers }: Stage,
  print?: (line: string) => void,
): Promise<SeedResult> {
  const world = new World(seed, print);
  const tornBefore = countTornWrites();
  const result = await finish(
    seed,
    world,
    () => new Director(castOf(world, realms), watchPromises(world, hashers)),
  );
  const torn = countTornWrites() - tornBefore;
  if (torn > 0) world.met.set('torn write', torn);
  return result;
}

/** Whoever lets a world happen. */
interface Directing {
  readonly isOver: boolean;
  direct(): void;
}

/** Lets a world happen to its end. */
export async function finish(seed: number, world: Ground, open: () => Directing): Promise<SeedResult> {
  const onRejection = (reason: unknown): void => {
    // Code that was in the middle of a call when its process died fails in ways that nobody will ever see.
    if (world.diedInCallAtStep === world.scheduler.steps) return;
    world.break('no bugs', `nobody took a failure: ${textOf(reason)}`);
  };
  process.on('unhandledRejection', onRejection);
  try {
    const director = open();
    await world.scheduler.run({
      isOver: () => director.isOver,
      betweenSteps: () => director.direct(),
    });
    if (!director.isOver) world.break('liveness', 'nothing is left to happen, and not all is done');
  } catch (error) {
    world.break('no bugs', `something was thrown that nobody caught: ${textOf(error)}`);
  } finally {
    process.off('unhandledRejection', onRejection);
    world.end();
  }
  const { violation, met } = world;
  return { seed, violation: violation?.message, hash: world.trace.hash, steps: world.scheduler.steps, met };
}

function castOf(world: World, realms: Realms): Cast {
  const client = (index: 0 | 1): ClientActor =>
    new ClientActor(world, {
      name: index === 0 ? 'client-a' : 'client-b',
      machine: world.clients[index],
      loaded: realms.clients[index],
      scenario: world.scenario,
    });
  return { world, server: new ServerActor(world, realms.server), clients: [client(0), client(1)] };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
