import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

const HIGHEST = 2 ** 32 - 1;
const chunk = fc.oneof(
  fc.nat(200),
  fc.constantFrom(0, 31, 32, 63, 64, 65_535, 65_536, 131_071, HIGHEST - 1, HIGHEST),
  fc.integer({ min: 0, max: HIGHEST }),
);

function runsOf(model: Set<number>): number[] {
  const runs: number[] = [];
  for (const value of [...model].toSorted((a, b) => a - b)) {
    const last = runs.length - 1;
    if (last > 0 && (runs[last - 1] as number) + (runs[last] as number) === value) (runs[last] as number)++;
    else runs.push(value, 1);
  }
  return runs;
}

describe('chunk sets', () => {
  it('a chunk set acts like a Set', () => {
    const step = fc.tuple(fc.constantFrom('add', 'add', 'delete', 'run'), chunk, fc.nat(150));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(chunk), (steps, probes) => {
        const set = new ChunkSet();
        const model = new Set<number>();
        for (const [what, number, length] of steps) {
          if (what === 'delete') {
            set.delete(number);
            model.delete(number);
          } else if (what === 'add') {
            set.add(number);
            model.add(number);
          } else if (number + length <= HIGHEST) {
            set.addRun(number, length);
            for (let offset = 0; offset < length; offset += 1) model.add(number + offset);
          }
        }
        const sorted = [...model].toSorted((a, b) => a - b);
        expect(set.size).toBe(model.size);
        expect([...set.values()]).toEqual(sorted);
        expect(set.runs()).toEqual(runsOf(model));
        for (const probe of probes) {
          expect(set.has(probe)).toBe(model.has(probe));
          let missing = probe;
          while (model.has(missing)) missing += 1;
          expect(set.firstMissing(probe, HIGHEST + 1)).toBe(missing);
        }
        const again = ChunkSet.fromRuns(set.runs(), HIGHEST + 1);
        expect(again.runs()).toEqual(set.runs());
      }),
      { numRuns: 500 },
    );
  });

  it('a chunk set unites with another, and its copies are independent', () => {
    fc.assert(
      fc.property(fc.array(chunk), fc.array(chunk), (left, right) => {
        const a = new ChunkSet();
        for (const number of left) a.add(number);
        const b = new ChunkSet();
        for (const number of right) b.add(number);
        const both = a.copy();
        both.addAll(b);
        expect(both.runs()).toEqual(runsOf(new Set([...left, ...right])));
        expect(a.size).toBe(new Set(left).size);
        const copy = both.copy();
        for (const number of both.values()) copy.delete(number);
        expect([copy.size, copy.runs(), both.size]).toEqual([0, [], new Set([...left, ...right]).size]);
      }),
    );
  });

  it('a chunk set finds nothing missing up to a limit, and refuses what is no chunk number', () => {
    const set = ChunkSet.fromRuns([0, 100], 100);
    expect([set.firstMissing(0, 100), set.firstMissing(5, 50), set.firstMissing(0, 101)]).toEqual([
      100, 50, 100,
    ]);
    for (const odd of [-1, 0.5, Number.NaN, Infinity, 2 ** 32, 2 ** 53]) expect(set.has(odd)).toBe(false);
    for (const odd of [-1, 0.5, Number.NaN, Infinity, 2 ** 32]) {
      expect(() => set.add(odd)).toThrow(expect.objectContaining({ code: 'chunk-out-of-range' }));
    }
  });

  it('the gaps of a chunk set lie between its runs', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(200)), fc.nat(220), (members, limit) => {
        const set = new ChunkSet();
        for (const member of members) set.add(member);
        const missing = Array.from({ length: limit }, (_, number) => number).filter(
          (number) => !set.has(number),
        );
        expect(set.gaps(limit)).toEqual(runsOf(new Set(missing)));
      }),
    );
    expect(new ChunkSet().gaps(2 ** 24)).toEqual([0, 2 ** 24]);
    expect(ChunkSet.fromRuns([70_000, 1], 2 ** 24).gaps(2 ** 24)).toEqual([
      0,
      70_000,
      70_001,
      2 ** 24 - 70_001,
    ]);
  });

  it.each([
    [[0]],
    [[1.5, 1]],
    [[-1, 2]],
    [[0, 0]],
    [[0, -1]],
    [[5, 2, 6, 1]],
    [[5, 2, 3, 1]],
    [[99, 2]],
    [[100, 1]],
    [[0, 2 ** 53]],
    [[Number.NaN, 1]],
    [['0', '1'] as unknown as number[]],
    [{} as number[]],
  ])('a chunk set refuses the runs %j', (runs) => {
    expect(() => ChunkSet.fromRuns(runs, 100)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
  });

  it('a chunk set takes a million chunks in less than 2 seconds of a processor', () => {
    const start = cpuNowMs();
    const set = new ChunkSet();
    for (let number = 0; number < 1_000_000; number += 1) set.add(number);
    expect(set.runs()).toEqual([0, 1_000_000]);
    expect(cpuNowMs() - start).toBeLessThan(2000);
  });
});
