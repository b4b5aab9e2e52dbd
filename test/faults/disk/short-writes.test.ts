import { statSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/trees.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign } from '../support/campaign.ts';
import { checkSameTree } from '../support/invariants.ts';
import { checkTotals } from '../support/replay.ts';
import { workFolder } from '../support/world.ts';
import { checkFailure, openScene, publishSource, pullOf, pushOf } from './scene.ts';

const PRELOADED = pathToFileURL(path.join(import.meta.dirname, 'short-writes.js')).href;

/** Environment of a process whose writes fall short, and how many have. */
function fallingShort(): { env: Record<string, string>; count: () => number } {
  const log = path.join(temporaryDirectory(), 'short-writes');
  return {
    env: { NODE_OPTIONS: `--import ${PRELOADED}`, CAIRN_SHORT_WRITES: log },
    count: () => statSync(log, { throwIfNoEntry: false })?.size ?? 0,
  };
}

test.each(['push', 'pull'] as const)(
  "a %s whose receiver's writes take only a part of their bytes arrives whole",
  async (direction) => {
    const short = fallingShort();
    const scene = await openScene(direction === 'push' ? { env: short.env } : {});
    const { world, source } = scene;
    publishSource(scene);
    const name = `${direction}: writes take a part of their bytes`;
    const report = await campaign('disk', name, { sample: 1, full: 10 }, async (given) => {
      const before = short.count();
      const stateHome = workFolder(world, `home-${given.seed}`);
      const pulled = path.join(workFolder(world, 'pulled'), `t${given.seed}`);
      const words = direction === 'push' ? pushOf(scene, `t${given.seed}`) : pullOf(scene, 'there', pulled);
      const env = direction === 'push' ? {} : { env: short.env };
      const result = await world.run(words, { stateHome, ...env });
      given.injected(short.count() - before);
      checkFailure(result, [0], undefined);
      checkSameTree(source, direction === 'push' ? path.join(world.root, `t${given.seed}`) : pulled);
      const staged = direction === 'push' ? {} : { destination: pulled };
      await checkBackToStart(world, { clientHomes: [stateHome], ...staged });
    });
    checkTotals(() => expect(report.faults).toBeGreaterThan(5));
  },
);
