import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { appendRunLine, endKilledRun, readRuns } from '../../../../src/cli/commands/job/run-history.ts';
import { TransferNumbers, type RunEnd, type RunStart } from '../../../../src/cli/commands/job/run-record.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

const startOf = (run: string): RunStart => ({
  type: 'start',
  run,
  startedAt: '2026-01-02T03:04:05.678Z',
  pid: 1,
});
const endOf = (run: string, leftOut: RunEnd['leftOut'] = []): RunEnd => ({
  type: 'end',
  run,
  startedAt: '2026-01-02T03:04:05.678Z',
  endedAt: '2026-01-02T03:05:05.678Z',
  durationMs: 60_000,
  state: 'ok',
  exitCode: 0,
  code: 'ok',
  leftOut,
});

describe('the history of a job', () => {
  it('the history of a job keeps every durable run, wherever a power cut has cut its file', async () => {
    const directory = temporaryDirectory();
    let files = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string(), fc.boolean()), { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (runs, cut) => {
          const file = path.join(directory, `${(files += 1)}.runs`);
          const sizes: number[] = [];
          for (const [index, [name, ends]] of runs.entries()) {
            await appendRunLine(file, startOf(`${index}`));
            if (ends) await appendRunLine(file, endOf(`${index}`, [{ path: name, code: 'x', message: '' }]));
            sizes.push(readFileSync(file).byteLength);
          }
          const at = Math.floor(cut * sizes.at(-1)!);
          const whole = await readRuns(file);
          truncateSync(file, at);
          const left = await readRuns(file);
          const durable = sizes.filter((size) => size <= at).length;
          expect(left.slice(0, durable)).toEqual(whole.slice(0, durable));
          await appendRunLine(file, startOf('next'));
          const after = await readRuns(file);
          expect(after.slice(0, -1)).toEqual(left);
          expect(after.at(-1)).toEqual({ start: startOf('next'), end: undefined });
        },
      ),
      { numRuns: 30 },
    );
  });

  it('the history of a job records once that a killed run has ended', async () => {
    const file = path.join(temporaryDirectory(), 'a.runs');
    expect(await endKilledRun(file)).toBeUndefined();
    await appendRunLine(file, startOf('1'));
    expect(await endKilledRun(file)).toMatchObject({
      run: '1',
      state: 'interrupted',
      endedAt: null,
      exitCode: null,
    });
    expect(await endKilledRun(file)).toBeUndefined();
    expect(await readRuns(file)).toHaveLength(1);
  });

  it('the history of a job is read without its damaged lines', async () => {
    const file = path.join(temporaryDirectory(), 'a.runs');
    await appendRunLine(file, startOf('1'));
    writeFileSync(file, 'not JSON\n{"type":"end"}\n[]\n', { flag: 'a' });
    await appendRunLine(file, endOf('1'));
    expect(await readRuns(file)).toEqual([{ start: startOf('1'), end: endOf('1') }]);
  });

  it('the history of a job is read as an older cairn wrote it, with fewer numbers of a transfer', async () => {
    const numbers = { direction: 'push', entries: 3, bytesMoved: 5 };
    const none = Object.keys(TransferNumbers.entries).filter((name) => !(name in numbers));
    const given = Object.fromEntries([...none.map((name) => [name, 1]), ['deleted', { entries: 2 }]]);
    const whole = { ...numbers, ...given, digest: 'd' };
    for (const missing of Object.keys(whole).filter((name) => name !== 'direction')) {
      const file = path.join(temporaryDirectory(), 'a.runs');
      const { [missing]: _missing, ...transfer } = whole as Record<string, unknown>;
      await appendRunLine(file, startOf('1'));
      writeFileSync(file, `${JSON.stringify({ ...endOf('1'), transfer })}\n`, { flag: 'a' });
      const [run] = await readRuns(file);
      expect(run?.end, missing).toMatchObject({ state: 'ok', transfer });
    }
  });

  it('the history of a job shows a run even if its numbers make no sense', async () => {
    const file = path.join(temporaryDirectory(), 'a.runs');
    await appendRunLine(file, startOf('1'));
    writeFileSync(file, `${JSON.stringify({ ...endOf('1'), transfer: { direction: 7 } })}\n`, { flag: 'a' });
    expect((await readRuns(file))[0]?.end).toMatchObject({ state: 'ok', code: 'ok' });
  });

  it('the history of a job keeps the newest runs once it is long, and the last success', async () => {
    const file = path.join(temporaryDirectory(), 'a.runs');
    const failed = { state: 'failed', exitCode: 5, code: 'network' } as const;
    const lines = Array.from({ length: 1000 }, (_none, run) => [
      startOf(`${run}`),
      { ...endOf(`${run}`), ...(run > 7 ? failed : {}) },
    ]).flat();
    writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600 });
    await appendRunLine(file, startOf('1000'));
    const runs = await readRuns(file);
    expect(runs).toHaveLength(501);
    expect(runs.slice(0, 2).map(({ start }) => start.run)).toEqual(['7', '501']);
    expect(runs.at(-1)).toEqual({ start: startOf('1000'), end: undefined });
  });
});
