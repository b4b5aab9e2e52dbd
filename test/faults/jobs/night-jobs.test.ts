/** A job that nobody watches has bad nights: each next run ends what was begun, and what is told of the runs is so. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { missingForPowerCuts } from '../power/support/power-disk.ts';
import { succeed } from '../power/support/push-scene.ts';
import { checkBackToStart } from '../support/back-to-start.ts';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkSameTree } from '../support/invariants.ts';
import { checkTotals } from '../support/replay.ts';
import { NIGHT_FAULTS } from './night-faults.ts';
import { createNightScene, type JobLine, type NightScene } from './night-scene.ts';
import { checkHistory, checkRuns, checkSuccess, type SeenRun } from './night-truth.ts';

const NIGHTS = 5;
/** About as long as a run takes. */
const RUN_MS = 2200;
/** What a night has to bring beside what was left of the one before. */
const NEW_BYTES = 4_000_000;
/** What a power cut brings back of a finished transfer goes soon after. */
const TIDY_MS = 10_000;

/** Runs the job to its end, after whatever was before. */
async function runToTheEnd(
  scene: NightScene,
  seen: SeenRun[],
  before: readonly JobLine[],
): Promise<JobLine[]> {
  const run = scene.run('20s');
  seen.push({ result: run.result, wasKilled: false });
  const { stderr } = await succeed(run);
  checkSameTree(scene.source, scene.target);
  const wasKilled = before.at(-1)?.['exitCode'] === null;
  expect(stderr.includes('the last run was killed; this one goes on where it stopped')).toBe(wasKilled);
  const history = await checkHistory(scene, before);
  await checkSuccess(scene, history);
  return history;
}

/** Five bad nights; after most of them a good one. */
async function spendNights(scene: NightScene, { random, seed, injected, add }: FaultRun): Promise<void> {
  const seen: SeenRun[] = [];
  let history: JobLine[] = [];
  for (let night = 0; night < NIGHTS; night += 1) {
    const fault = NIGHT_FAULTS[(seed + night) % NIGHT_FAULTS.length]!;
    const run = scene.run(fault.retryFor);
    await Promise.race([sleep(random() * RUN_MS), run.result]);
    const isLate = run.child.exitCode !== null;
    await fault.strike(scene, run);
    seen.push({ result: run.result, wasKilled: fault.killsRun && !isLate });
    if (!isLate) {
      injected();
      add(fault.name, 1);
    }
    history = await checkHistory(scene, history);
    if (random() < 0.3) continue;
    history = await runToTheEnd(scene, seen, history);
    writeFileSync(path.join(scene.source, `of night ${night}`), randomBytes(NEW_BYTES));
  }
  history = await runToTheEnd(scene, seen, history);
  await checkRuns(seen, history);
}

describe.skipIf(missingForPowerCuts !== '')(`jobs at night${missingForPowerCuts}`, () => {
  test('a job is ended by its next run whatever died at whatever moment, and its history, status and record are true', async () => {
    const report = await campaign(
      'jobs',
      'a job whose processes, server or power go away at random moments',
      { sample: 2, full: 60 },
      async (run) => {
        const scene = await createNightScene();
        await spendNights(scene, run);
        // A power cut may take away what a client knew of its session, which is left to its lease then.
        await checkBackToStart(scene.world, { mayForget: true, patienceMs: TIDY_MS });
        await scene.end();
      },
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(0));
  });
});
