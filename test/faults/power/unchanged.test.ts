/** A tree that is there already is durable by the time that a push says so, whoever brought it. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryDirectory } from '../../support/trees.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { createPushScene } from './support/push-scene.ts';
import { writeSmallFiles } from './support/trees.ts';

/** Enough for a client to ask before it makes a session. */
const FILES = 1500;

describe.skipIf(missingForPowerCuts !== '').each(sampledKinds('xfs'))(
  `power cuts after an unchanged push, on $name${missingForPowerCuts}`,
  (kind) => {
    test('a tree that another program brought outlives a power cut once a push has found it unchanged', async () => {
      const source = temporaryDirectory();
      writeSmallFiles(path.join(source, 'many'), FILES, (number) => 100 + (number % 900));
      const report = await campaign(
        'power',
        `${FILES} files that are there on ${kind.name}: cut after the push`,
        { sample: 1, full: 6, until: 'found by its id' },
        async (run) => {
          const scene = await createPushScene({ kind, trees: { source, older: undefined } });
          execFileSync('cp', ['-a', source, scene.target]);
          const routes: string[] = [];
          scene.proxy.onRequest(({ path: asked }) => {
            routes.push(asked.replace(/^.*\/v1\//, ''));
            return 'pass';
          });
          expect((await scene.push().result).exitCode).toBe(0);
          expect(routes).toContain('tree-id');
          // A client does not wait for long for the id: on a busy machine a session finds out, and shows nothing here.
          run.add('found by its id', routes.includes('sessions') ? 0 : 1);
          await scene.checkFinished();
          run.injected();
          await scene.end();
        },
      );
      checkTotals(() => expect(report.figures['found by its id']).toBeGreaterThan(0));
    });
  },
);
