/** One seed of nodes over a bucket, from its beginning to its end. */
import { ClientActor } from '../actors/client-actor.ts';
import { finish, type SeedResult } from '../run-seed.ts';
import type { LoadedRealm } from '../realm.ts';
import { AdminActor } from './admin-actor.ts';
import { NodeActor } from './node-actor.ts';
import { NodeAnswers } from './node-answers.ts';
import { NodesDirector } from './nodes-director.ts';
import type { NodesCast } from './nodes-faults.ts';
import { NODES, NodesWorld, PUSHERS } from './nodes-world.ts';
import { PublishedWatch } from './published-tree.ts';
import { StoredSessions } from './stored-sessions.ts';

/** Copies of the code under test that a world of nodes runs. */
export const NODES_REALMS = NODES + PUSHERS + 1;

/** Runs a seed in so many realms. @param print takes the lines of its trace */
export async function runNodesSeed(
  seed: number,
  realms: readonly LoadedRealm[],
  print?: (line: string) => void,
): Promise<SeedResult> {
  const world = new NodesWorld(seed, print);
  return finish(seed, world, () => new NodesDirector(castOf(world, realms), watch(world)));
}

function watch(world: NodesWorld): PublishedWatch {
  const { bucket, network } = world;
  const sessions = new StoredSessions(bucket);
  const published = new PublishedWatch(world, sessions);
  const answers = new NodeAnswers(world, sessions, published);
  network.observer = answers;
  bucket.onPut = (key) => {
    published.put(key);
    answers.put();
  };
  bucket.onRemoved = (key) => {
    published.removed(key);
    answers.removed(key);
  };
  return published;
}

function castOf(world: NodesWorld, realms: readonly LoadedRealm[]): NodesCast {
  return {
    world,
    nodes: world.nodes.map((machine, index) => new NodeActor(world, machine, realms[index]!)),
    clients: world.pushers.map((machine, index) => {
      const scenario = world.scenarios[index]!;
      return new ClientActor(world, {
        name: machine.name,
        machine,
        loaded: realms[NODES + index]!,
        scenario,
      });
    }),
    admin: new AdminActor(world, realms[NODES + PUSHERS]!),
  };
}
