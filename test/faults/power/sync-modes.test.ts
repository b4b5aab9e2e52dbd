/** What each sync mode promises, through power cuts of the receiver. */
import { describe, expect, test } from 'vitest';
import { SYNC_MODES, type SyncMode } from '../../../src/session/sync-mode.ts';
import { campaign } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { Violation } from '../support/violation.ts';
import { missingForPowerCuts, sampledKinds } from './support/power-disk.ts';
import { createPullScene, type PullScene } from './support/pull-scene.ts';
import { createPushScene, createTrees, succeed, untilSuccess, type PushScene } from './support/push-scene.ts';

const MIB = 1024 * 1024;
const PARALLEL = 4;

/** What the server has told a client until a cut. */
function checkPushPromise(mode: SyncMode, { tap }: PushScene): void {
  const open = [...tap.answered].filter((chunk) => !tap.acknowledged.has(chunk));
  if (mode === 'always' && open.length > 0)
    throw new Violation(
      'lost',
      `chunks were answered before they were durable: ${open.join(', ')}`,
      open.length,
    );
  if (mode === 'close' && tap.acknowledged.size > 0)
    throw new Violation('unclear', 'chunks were made durable although nobody asked');
}

/** With `always` a chunk that was fetched is durable before the next one is asked for in its place. */
function checkPullPromise(mode: SyncMode, { tap }: PullScene, durable: ReadonlySet<number>): void {
  const missing = tap.requests.filter(({ chunk }) => !durable.has(chunk));
  if (mode === 'always' && missing.length > PARALLEL)
    throw new Violation('lost', `${missing.length} chunks were fetched and not durable`, missing.length);
}

describe.skipIf(missingForPowerCuts !== '').each(SYNC_MODES)(
  `--sync %s through a power cut of the receiver${missingForPowerCuts}`,
  (mode) => {
    const kinds = sampledKinds('ext4');

    test.each(kinds)(
      'a push to $name keeps what its sync mode promises through a power cut, and all after exit 0',
      async (kind) => {
        const trees = createTrees();
        const report = await campaign(
          'power',
          `push with --sync ${mode} to ${kind.name}`,
          { sample: 1, full: 6, until: 'answered chunks' },
          async (run) => {
            const sync = ['--sync', mode];
            const scene = await createPushScene({ kind, trees, pushArgs: sync, serveArgs: sync });
            const push = scene.push();
            await Promise.race([scene.tap.moreRequests(40 + Math.floor(run.random() * 50)), push.result]);
            const { acknowledgedBytes } = await scene.cut();
            run.injected();
            run.add('answered chunks', scene.tap.answered.size);
            run.add('acknowledged MiB', acknowledgedBytes / MIB);
            checkPushPromise(mode, scene);
            await scene.world.server.start({});
            await untilSuccess(push);
            await scene.checkFinished();
            run.injected();
            await succeed(push);
            await scene.end();
          },
        );
        checkTotals(() => {
          expect(report.faults).toBeGreaterThan(1);
          expect(report.figures['answered chunks']).toBeGreaterThan(0);
        });
      },
    );

    test.each(kinds)(
      'a pull to $name keeps what its checkpoint has through a power cut, and all after exit 0',
      async (kind) => {
        const trees = createTrees();
        const report = await campaign(
          'power',
          `pull with --sync ${mode} to ${kind.name}`,
          { sample: 1, full: 6 },
          async (run) => {
            const scene = await createPullScene({
              kind,
              trees,
              pullArgs: ['--sync', mode, '--parallel', `${PARALLEL}`],
            });
            const first = scene.pull();
            await Promise.race([scene.tap.moreRequests(40 + Math.floor(run.random() * 50)), first.result]);
            const { durable, durableBytes } = await scene.cut(first);
            run.injected();
            run.add('checkpointed MiB', durableBytes / MIB);
            checkPullPromise(mode, scene, durable);
            const second = scene.pull();
            await untilSuccess(second);
            await scene.checkFinished(second);
            run.injected();
            await scene.end();
          },
        );
        checkTotals(() => expect(report.faults).toBeGreaterThan(1));
      },
    );
  },
);
