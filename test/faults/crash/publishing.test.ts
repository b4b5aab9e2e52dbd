import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { canTrace } from '../support/strace.ts';
import { killClientAt } from './client-kill.ts';
import { prepareScenario, type Scenario } from './scenario.ts';
import { killServerAt } from './server-kill.ts';
import type { Step } from './steps.ts';

const FILES = 2000;
const FOLDERS = 20;

/** Every so manieth folder is new, and comes as a whole. */
const NEW_FOLDER = 4;
/** Fewer than there are in folders that exist. */
const RENAMED = FILES - 2 * (FILES / NEW_FOLDER);

/** Small files, of which every other one takes the place of an older one, and folders that are new. */
function writeManyFiles(root: string, age: 'fresh' | 'old'): void {
  for (let folder = 0; folder < FOLDERS; folder += 1)
    mkdirSync(path.join(root, String(folder)), { recursive: true });
  for (let index = 0; index < FILES; index += 1) {
    const file = path.join(root, String(index % FOLDERS), String(index));
    if (age === 'old' && index % 2 === 1) rmSync(file);
    else writeFileSync(file, randomBytes(1024 + (index % 7) * 500 + (age === 'old' ? 1 : 0)));
  }
  if (age === 'fresh') return;
  for (let folder = 0; folder < FOLDERS; folder += NEW_FOLDER)
    rmSync(path.join(root, String(folder)), { recursive: true });
}

/** Somewhere in the publishing of all the files, and while that is gone on with: as it prepares one, or renames it. */
function somewhere({ random }: FaultRun): Step[] {
  return Array.from({ length: random() < 0.5 ? 1 : 2 }, () => {
    const call = random() < 0.7 ? 'renameat' : 'utimensat';
    const nth = 1 + Math.floor(random() * (call === 'renameat' ? RENAMED : FILES));
    return { call, nth, thread: 'main', name: `${call} of file ${nth}` };
  });
}

type Kill = (scenario: Scenario, steps: readonly Step[], run: FaultRun) => Promise<void>;

test.skipIf(!canTrace).each<{ side: string; direction: 'push' | 'pull'; kill: Kill }>([
  { side: 'server', direction: 'push', kill: killServerAt },
  { side: 'client', direction: 'pull', kill: killClientAt },
])(
  'a $side that is killed while it publishes 2,000 files leaves each old or new, and finishes later',
  async ({ side, direction, kill }) => {
    const scenario = await prepareScenario(direction, { chunkBytes: 256 * 1024, write: writeManyFiles });
    const name = `${side} killed while it publishes 2,000 files`;
    const report = await campaign('crash', name, { sample: 1, full: 30 }, (run) =>
      kill(scenario, somewhere(run), run),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThanOrEqual(report.runs));
  },
);
