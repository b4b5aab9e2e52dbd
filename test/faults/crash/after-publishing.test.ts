import { existsSync, lstatSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { campaign, type FaultRun } from '../support/campaign.ts';
import { checkTotals } from '../support/replay.ts';
import { sessionRecords } from '../support/sessions.ts';
import { canTrace } from '../support/strace.ts';
import { Violation } from '../support/violation.ts';
import { killClientAt, recordClient } from './client-kill.ts';
import { checkEndedWell, movedBytes, type KillHooks } from './running.ts';
import { prepareScenario, type Scenario, type Scene } from './scenario.ts';
import { killServerAt, recordServer } from './server-kill.ts';
import { stepOf, type Step } from './steps.ts';

/** Which file is behind each name that is published: another number shows that it was put there again. */
function numbersOf({ target, scenario }: Pick<Scene, 'target' | 'scenario'>): Map<string, bigint> {
  const numbers = new Map<string, bigint>();
  for (const name of namesBelow(scenario.fresh)) {
    const wanted = lstatSync(path.join(scenario.fresh, name), { bigint: true });
    const found = lstatSync(path.join(target, name), { bigint: true, throwIfNoEntry: false });
    if (found !== undefined && found.mtimeNs === wanted.mtimeNs && found.size === wanted.size)
      numbers.set(name, found.ino);
  }
  return numbers;
}

function namesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' });
}

/** Files with chunks of their own are renamed to their places as they are, and cannot be put there twice. */
const HAS_OWN_CHUNKS = new Set(['large', 'exact']);

function checkUntouched(before: Map<string, bigint>, scene: Scene, all: boolean): void {
  const now = numbersOf(scene);
  for (const [name, number] of before) {
    if (now.get(name) === number || !(all || HAS_OWN_CHUNKS.has(name))) continue;
    throw new Violation('unclear', `"${name}" was published twice`);
  }
}

/** Compares what was published at the kill with what is there in the end, and after the command was run once more. */
function watchPublished(run: FaultRun): KillHooks {
  let atKill = new Map<string, bigint>();
  let isRecorded = false;
  return {
    afterKill: (scene) => {
      const { scenario, world, stagingRoot } = scene;
      atKill = numbersOf(scene);
      const states = sessionRecords(world.root).map(({ state }) => state);
      // In a pull both sides agree before anything is published: what is staged tells how far the client has come.
      const staging = path.join(stagingRoot, '.cairn/staging');
      const isFreed =
        !existsSync(staging) || !namesBelow(staging).some((file) => /^c\d+$/.test(path.basename(file)));
      isRecorded = scenario.direction === 'push' ? states.includes('committed') : isFreed;
      run.add(isRecorded ? 'after it was noted' : 'before it was noted', 1);
    },
    atEnd: async (scene) => {
      checkUntouched(atKill, scene, isRecorded);
      const inTheEnd = numbersOf(scene);
      const again = await scene.world.run(scene.args);
      checkEndedWell(scene, again);
      if (movedBytes(again) !== 0) throw new Violation('unclear', 'what is there was moved again');
      checkUntouched(inTheEnd, scene, true);
    },
  };
}

/** From the last file in its place to the end. */
function afterPublishing(steps: readonly Step[]): Step[] {
  const last = steps.findLastIndex(({ name }) => /^renameat staging\/\S+ → (root|arrived)\//.test(name));
  return steps.slice(last + 1);
}

type Kill = (scenario: Scenario, steps: Step[], run: FaultRun, hooks: KillHooks) => Promise<void>;
type Case = {
  side: string;
  direction: 'push' | 'pull';
  record: (scenario: Scenario) => Promise<Step[]>;
  kill: Kill;
};

test.skipIf(!canTrace).each<Case>([
  { side: 'server', direction: 'push', record: recordServer, kill: killServerAt },
  { side: 'client', direction: 'pull', record: recordClient, kill: killClientAt },
])(
  'a $side that is killed after it published, and before it says so, publishes nothing twice',
  async ({ side, direction, record, kill }) => {
    const scenario = await prepareScenario(direction);
    const steps = afterPublishing(await record(scenario));
    const name = `${side} killed between publishing and telling`;
    const report = await campaign('crash', name, { sample: 4, full: steps.length }, (run) =>
      kill(scenario, [stepOf(steps, run.seed)], run, watchPublished(run)),
    );
    checkTotals(() => expect(report.faults).toBeGreaterThan(2));
  },
);
