/** The parts of `npm run bench` that could lie. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkSame } from './bench/digest.ts';
import { measure, type Measurement } from './bench/measure.ts';
import { linkTree } from './bench/place.ts';
import type { Report } from './bench/report/report.ts';
import { tableOf } from './bench/report/table.ts';
import { writeReport } from './bench/report/write-report.ts';
import { compare, isMet, medianRun, type ScenarioResult } from './bench/result.ts';
import { parseWords } from './bench/words.ts';

const MB = 1_000_000;

function folder(): string {
  const made = mkdtempSync(path.join(tmpdir(), 'cairn-bench-test-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A Node process that computes for so long, holding so much memory. */
const busy = (ms: number, bytes: number): string[] => [
  process.execPath,
  '-e',
  `const held = Buffer.alloc(${bytes}, 1); const end = Date.now() + ${ms}; while (Date.now() < end); held.length;`,
];

const run = (wallS: number): Measurement => ({
  wallS,
  client: { cpuS: wallS / 2, peakBytes: 10 * MB },
  server: { cpuS: wallS / 4, peakBytes: 20 * MB },
});

test('counts the CPU time and the memory of a command, its children included', async () => {
  const command = { words: ['sh', '-c', '"$@"; true', 'sh', ...busy(400, 150 * MB)] };
  const { wallS, client, server } = await measure(command, []);
  expect(wallS).toBeGreaterThan(0.4);
  expect(client.cpuS).toBeGreaterThan(0.1);
  expect(client.cpuS).toBeLessThan(wallS * 2);
  expect(client.peakBytes).toBeGreaterThan(150 * MB);
  expect(server).toEqual({ cpuS: 0, peakBytes: 0 });
});

test('says what a command said that failed', async () => {
  const failing = measure({ words: ['sh', '-c', 'echo out of luck >&2; exit 3'] }, []);
  await expect(failing).rejects.toThrow(/ended with 3: out of luck/);
});

test('notices one wrong byte, and one missing file', () => {
  const home = folder();
  const [source, same, wrong] = ['source', 'same', 'wrong'].map((name) => path.join(home, name));
  mkdirSync(path.join(source!, 'inner'), { recursive: true });
  writeFileSync(path.join(source!, 'inner/file'), 'bytes');
  linkTree(source!, same!);
  checkSame('cairn', source!, same!);
  mkdirSync(path.join(wrong!, 'inner'), { recursive: true });
  expect(() => checkSame('cairn', source!, wrong!)).toThrow(/is not what was sent/);
  writeFileSync(path.join(wrong!, 'inner/file'), 'bytez');
  expect(() => checkSame('cairn', source!, wrong!)).toThrow(/is not what was sent/);
});

test('compares medians, by rate where amounts differ', () => {
  const result = {
    bytes: 400,
    rows: [
      { contestant: 'cairn', runs: [run(9), run(1), run(2)] },
      { contestant: 'peer', runs: [run(4), run(4), run(4)] },
      { contestant: 'slow', runs: [run(10)], bytes: 100 },
    ],
  };
  expect(medianRun(result.rows[0]!.runs)).toEqual(run(2));
  const faster = compare(result, 'peer', { limit: 0.6, bound: 'at most' })!;
  expect([faster.value, faster.range, isMet(faster)]).toEqual([0.5, [0.25, 2.25], true]);
  const manyTimes = compare(result, 'slow', { limit: 21, bound: 'at least' })!;
  expect([manyTimes.value, isMet(manyTimes)]).toEqual([20, false]);
  expect(compare(result, 'absent', { limit: 1, bound: 'at most' })).toBeUndefined();
});

test('reports what was met and what was not, with a chart of every kind', () => {
  const scenario: ScenarioResult = {
    name: 'push-<1g>',
    title: 'push',
    bytes: 1024 ** 3,
    rows: [
      { contestant: 'cairn', runs: [run(2)] },
      { contestant: 'peer & co', runs: [run(1)] },
    ],
    verdicts: [{ target: '≤ 1 × peer', value: 2, limit: 1, bound: 'at most', unit: '×' }],
    growths: [
      {
        title: 'push of files',
        unit: 'MiB',
        points: [1, 10, 1000].map((amount) => ({ amount, run: run(amount) })),
      },
    ],
    notes: [],
  };
  expect(tableOf(scenario)).toMatch(/✗ ≤ 1 × peer: NOT met: 2\.00 ×, 100 % above/);
  const home = folder();
  const report: Report = {
    startedAtMs: 0,
    isQuick: false,
    runs: 1,
    machine: 'a machine',
    load: 0,
    versions: ['peer 1'],
    missing: ['other: needs other'],
    scenarios: [scenario],
  };
  const text = readFileSync(writeReport(home, report), 'utf8');
  expect(text).toContain('**0 of 1 targets are met.**');
  expect(text).toContain('- other: needs other');
  for (const [, file] of text.matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)) {
    const svg = readFileSync(path.join(home, file!), 'utf8');
    expect(svg).not.toMatch(/NaN|Infinity|undefined|& |<1g>/);
  }
  expect(JSON.parse(readFileSync(path.join(home, 'results.json'), 'utf8'))).toEqual(report);
});

test('refuses words that it does not know', () => {
  expect(parseWords(['--quick', '--only', 'push', '--only', 'pull'])).toMatchObject({
    isQuick: true,
    runs: 3,
    only: ['push', 'pull'],
  });
  expect(() => parseWords(['--runs', '0'])).toThrow(/--runs/);
  expect(() => parseWords(['--fast'])).toThrow(/--fast/);
});
