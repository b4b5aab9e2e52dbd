/** How much of a changed file crosses, computed by the code of the delta alone, and what that costs. */
import { rmSync } from 'node:fs';
import type { Bench } from '../bench.ts';
import { appended, database, moved, pagesChanged, type Change } from '../delta/changed-files.ts';
import { crossingOf } from '../delta/crossing.ts';
import { rsyncCrossing } from '../delta/rsync-crossing.ts';
import { GIB } from '../data.ts';
import { programPath } from '../processes.ts';
import type { Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

const MB = 1e6;

/** What was found out of one change. */
interface Found {
  readonly verdict: Verdict;
  readonly note: string;
}

/** The most that may cross: in bytes, or as a part of what rsync sends. */
type Goal = { readonly bytes: number } | { readonly ofRsync: number };

async function judge(bench: Bench, title: string, change: Change, goal: Goal): Promise<Found> {
  const { carried, ids, answers, cutCpuS } = await crossingOf(change.older, change.newer);
  const all = carried + ids + answers;
  const rsync = rsyncCrossing(bench.memory, change);
  rmSync(change.newer);
  const mb = (bytes: number): string => (bytes / MB).toFixed(2);
  const parts = `${mb(carried)} of the file, ${mb(ids)} of ids, ${mb(answers)} of answers`;
  const note = `${title}: ${mb(all)} MB (${parts}); rsync ${rsync === undefined ? '–' : mb(rsync)} MB; reading, cutting and naming ${cutCpuS.toFixed(2)} s of CPU`;
  bench.say(`  ${note}`);
  const limit = 'bytes' in goal ? goal.bytes : goal.ofRsync * (rsync ?? Infinity);
  return {
    note,
    verdict: {
      target: `${title}: ≤ ${mb(limit)} MB`,
      value: all / MB,
      limit: limit / MB,
      bound: 'at most',
      unit: 'MB',
    },
  };
}

async function judgeDatabase(bench: Bench): Promise<Found[]> {
  if (programPath('sqlite3') === undefined) {
    bench.leaveOut('sqlite3', new Error('not installed'));
    return [];
  }
  const { file, dump } = database(bench.memory);
  return [
    await judge(bench, 'SQLite, 0.5 % of the rows changed', file, { ofRsync: 0.5 }),
    await judge(bench, 'its dump as SQL', dump, { ofRsync: 0.4 }),
  ];
}

/** The only one. */
export const delta: Scenario = {
  name: 'delta',
  title: 'what crosses of a changed file, computed, in memory',
  takesLong: true,
  run: async (bench) => {
    const size = GIB;
    const found = [
      await judge(bench, '1 GiB, 10 MiB appended', appended(bench.memory, size), { bytes: 11.2 * MB }),
      await judge(bench, '1 GiB, 1 % of its pages changed', pagesChanged(bench.memory, size), {
        bytes: 30 * MB,
      }),
      await judge(bench, '1 GiB, 1,000,003 bytes in front', await moved(bench.memory, size), {
        bytes: 1.6 * MB,
      }),
      ...(await judgeDatabase(bench)),
    ];
    const notes = found.map(({ note }) => note);
    return { rows: [], verdicts: found.map(({ verdict }) => verdict), notes };
  },
};
