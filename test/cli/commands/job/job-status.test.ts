import { describe, expect, it } from 'vitest';
import { judge } from '../../../../src/cli/commands/job/job-status.ts';
import type { Run, RunEnd } from '../../../../src/cli/commands/job/run-record.ts';
import { jobScene } from '../../support/job-scene.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = Date.parse('2026-01-02T12:00:00.000Z');
const at = (hoursAgo: number): string => new Date(NOW_MS - hoursAgo * HOUR_MS).toISOString();

function run(hoursAgo: number, end?: Partial<RunEnd>): Run {
  const startedAt = at(hoursAgo);
  const start = { type: 'start', run: startedAt, startedAt, pid: 1 } as const;
  if (end === undefined) return { start, end };
  const usual = { state: 'ok', exitCode: 0, code: 'ok', durationMs: 0 } as const;
  const times = { startedAt, endedAt: startedAt };
  return { start, end: { type: 'end', run: startedAt, ...times, ...usual, leftOut: [], ...end } };
}

const judged = (runs: readonly Run[], maxAgeHours?: number) => {
  const overdueAfterMs = maxAgeHours === undefined ? undefined : maxAgeHours * HOUR_MS;
  const { state, exitCode, next } = judge('home', runs, { overdueAfterMs, nowMs: NOW_MS });
  return [state, exitCode, next?.slice(2).join(' ')];
};
const FAILED = { state: 'failed', exitCode: 6, code: 'forbidden' } as const;
const KILLED = { state: 'interrupted', exitCode: null, code: 'interrupted', endedAt: null } as const;

describe('the status of a job', () => {
  it.each<[string, Run[], number | undefined, [string, number, string | undefined]]>([
    ['never ran', [], undefined, ['never', 0, 'run home']],
    ['never ran, and should have', [], 24, ['never', 13, 'run home']],
    ['runs', [run(30, {}), run(1)], 48, ['running', 0, undefined]],
    ['runs for long', [run(30, {}), run(26)], 24, ['running', 13, undefined]],
    ['went well', [run(1, {})], 24, ['ok', 0, undefined]],
    ['left out what it may', [run(1, { state: 'partial', code: 'partial' })], 24, ['partial', 0, undefined]],
    ['left out more', [run(1, { state: 'partial', exitCode: 3 })], 24, ['partial', 3, 'history home']],
    ['went well too long ago', [run(25, {})], 24, ['overdue', 13, 'run home']],
    ['failed', [run(2, {}), run(1, FAILED)], 24, ['failed', 6, 'history home']],
    ['failed for long', [run(50, {}), run(1, FAILED)], 24, ['failed', 6, 'history home']],
    ['lost the network', [run(1, { ...FAILED, exitCode: 5 })], undefined, ['failed', 5, 'run home']],
    ['was killed', [run(1, KILLED)], undefined, ['interrupted', 143, 'run home']],
  ])('the status of a job that %s says so', (_what, runs, maxAge, verdict) => {
    expect(judged(runs, maxAge)).toEqual(verdict);
  });

  it('the status and the history of a job tell what ran, how much was new, and what to do', async () => {
    const scene = await jobScene();
    const text = ['[job.home]', 'source = "SOURCE"', 'to = "URL/home"', 'overdue-after = "26h"'];
    scene.writeJobs(...text, '[job.db]', 'command = ["false"]', 'to = "URL/db"');
    const before = await scene.job(['status']);
    expect(before.exitCode).toBe(13);
    expect(before.stdout.toString()).toMatch(/^home {2}never \(13\) .* job run home$/m);
    await scene.job(['run', '--all']);
    const { exitCode, stdout } = await scene.job(['status']);
    expect(exitCode).toBe(11);
    const [headings, home, db] = stdout.toString().split('\n');
    expect(headings).toMatch(/^NAME +STATE +LAST RUN +TOOK +NEW +MOVED +LEFT OUT +LAST SUCCESS +NEXT$/);
    expect(home).toMatch(/^home +ok +.* +4 +1001 B +0 +.* ago +-$/);
    expect(db).toMatch(/^db +failed \(11\) +.* +never +.* job history db$/);
    expect((await scene.job(['status', 'home'])).exitCode).toBe(0);
    const { lines, last } = await scene.job(['status', '--json']);
    expect(lines[0]).toMatchObject({
      type: 'job',
      job: 'home',
      state: 'ok',
      next: null,
      transfer: { changed: 4 },
    });
    expect(last).toEqual({ type: 'summary', jobs: 2, code: 'source-command-failed', exitCode: 11 });
    await scene.job(['run', 'home']);
    const history = await scene.job(['history', 'home']);
    expect(history.exitCode).toBe(0);
    const [, first, second] = history.stdout.toString().split('\n');
    expect(first).toMatch(/ ok +0 +4 +1001 B +0 B +- +- +-$/);
    expect(second).toMatch(/ ok +0 +0 +0 B +1001 B +- +- +-$/);
    const newest = await scene.job(['history', 'home', '-n', '1', '--json']);
    expect(newest.lines).toHaveLength(2);
    expect(newest.lines[0]).toMatchObject({
      type: 'run',
      job: 'home',
      state: 'ok',
      transfer: { changed: 0 },
    });
  });

  it('the history of a job says why it failed, and a name without a job is refused', async () => {
    const scene = await jobScene();
    scene.writeJobs('[job.db]', 'command = ["sh", "-c", "exit 9"]', 'to = "URL/db"');
    await scene.job(['run', 'db']);
    expect((await scene.job(['history', 'db'])).stdout.toString()).toContain('"sh" ended with exit code 9');
    expect((await scene.job(['status', 'dc'])).exitCode).toBe(4);
    expect((await scene.job(['history', '../../x'])).exitCode).toBe(2);
    expect((await scene.job(['history', 'never'])).stdout.toString()).toBe('no runs\n');
  });
});
