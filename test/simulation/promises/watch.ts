/** Puts all promises over a world. */
import type { Machine } from '../system/machine.ts';
import type { World } from '../world.ts';
import { Answers } from './answers.ts';
import { Claims, type Hashers } from './claims.ts';
import { Published } from './published.ts';
import { Records } from './records.ts';

/** What is looked at when a world says that something has happened. */
export interface Watch {
  readonly published: Published;
  powerCut(machine: Machine): void;
}

/** Watches a world from now on; whatever is broken is told to it. */
export function watchPromises(world: World, hashers: Hashers): Watch {
  const claims = new Claims(world, hashers);
  const published = new Published(world);
  const records = new Records(world);
  world.network.observer = new Answers(world, { claims, published, records });
  for (const machine of [world.server, ...world.clients]) {
    machine.disk.observer = {
      written: (file) => {
        claims.written(machine, file);
        published.written(machine, file);
      },
      synced: (file) => claims.synced(machine, file),
      placed: (node, path) => {
        published.placed(machine, node, path);
        records.placed(machine, node, path);
      },
    };
  }
  world.onRefused = (...what) => records.refused(...what);
  return {
    published,
    powerCut: (machine) => {
      for (const promise of [claims, published, records]) promise.powerCut(machine);
    },
  };
}
