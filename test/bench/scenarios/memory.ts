/** How time, CPU and memory of both sides grow with the size of a file and with the number of entries. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from '../bench.ts';
import { seatCairn } from '../contestants/cairn.ts';
import { dataFile, dataTree, GIB, MIB } from '../data.ts';
import { checkSame } from '../digest.ts';
import { measure, type Measurement } from '../measure.ts';
import type { Place } from '../place.ts';
import type { Growth, Row, Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

const LIMITS_MB = { files: 130, entries: 400 };
/** With less the largest file has 8 GiB. */
const FREE_FOR_LARGEST = 100 * GIB;
const ENTRIES = [1000, 10_000, 100_000, 1_000_000];
const BYTES_PER_MB = 1_000_000;

interface Both {
  readonly push: Measurement;
  readonly pull: Measurement;
}

/** Pushes something with a server of its own, and pulls it with another. */
async function thereAndBack(bench: Bench, place: Place, source: string): Promise<Both> {
  const folder = path.join(place.folder, 'memory');
  mkdirSync(folder);
  const ground = { place, folder, via: async (port: number) => port };
  const runs: Measurement[] = [];
  for (const direction of ['push', 'pull'] as const) {
    const seat = await seatCairn(ground);
    const target = path.join(folder, 'target');
    const command = direction === 'push' ? seat.push!(source, 'moved') : seat.pull!('moved', target);
    place.settle();
    runs.push(await measure(command, seat.servers));
    bench.say(`  ${direction} of ${path.basename(source)}: ${runs.at(-1)!.wallS.toFixed(2)} s`);
    const result = direction === 'push' ? seat.served('moved') : target;
    checkSame('cairn', source, result);
    await seat.close();
  }
  rmSync(folder, { recursive: true });
  return { push: runs[0]!, pull: runs[1]! };
}

function growthsOf(title: string, unit: string, points: readonly (Both & { amount: number })[]): Growth[] {
  return (['push', 'pull'] as const).map((direction) => ({
    title: `${direction} of ${title}`,
    unit,
    points: points.map((point) => ({ amount: point.amount, run: point[direction] })),
  }));
}

function verdictsOf(growth: Growth, limit: number): Verdict[] {
  const last = growth.points.at(-1)!;
  return (['client', 'server'] as const).map((side) => ({
    target: `${growth.title}, up to ${last.amount.toLocaleString('en')} ${growth.unit}: ${side} ≤ ${limit} MB`,
    value: Math.max(...growth.points.map(({ run }) => run[side].peakBytes)) / BYTES_PER_MB,
    limit,
    bound: 'at most',
    unit: 'MB',
  }));
}

/** The only one. */
export const memory: Scenario = {
  name: 'memory',
  title: 'memory of both sides, and how cost grows with work',
  takesLong: true,
  run: async (bench) => {
    const largest = bench.disk.freeBytes() > FREE_FOR_LARGEST ? 16 * GIB : 8 * GIB;
    const files: (Both & { amount: number })[] = [];
    for (const bytes of [64 * MIB, 256 * MIB, GIB, largest]) {
      const source = dataFile(bench.disk, bytes);
      files.push({ amount: bytes / MIB, ...(await thereAndBack(bench, bench.disk, source)) });
      if (bytes === largest) rmSync(source);
    }
    const trees: (Both & { amount: number })[] = [];
    for (const entries of ENTRIES) {
      const source = dataTree(bench.memory, { files: entries, bytesEach: 16 });
      trees.push({ amount: entries, ...(await thereAndBack(bench, bench.memory, source)) });
      rmSync(source, { recursive: true });
    }
    const ofFiles = growthsOf('one file', 'MiB', files);
    const ofTrees = growthsOf('many files', 'entries', trees);
    const rows: Row[] = [...ofFiles, ...ofTrees].flatMap(({ title, unit, points }) =>
      points.map(({ amount, run }) => ({
        contestant: `${title}: ${amount.toLocaleString('en')} ${unit}`,
        runs: [run],
        ...(unit === 'MiB' ? { bytes: amount * MIB } : {}),
      })),
    );
    const verdicts = [
      ...ofFiles.flatMap((growth) => verdictsOf(growth, LIMITS_MB.files)),
      ...ofTrees.flatMap((growth) => verdictsOf(growth, LIMITS_MB.entries)),
    ];
    const notes = ['files on disk, trees of 16-byte files in memory; each with a server of its own'];
    if (largest < 16 * GIB) notes.push('the largest file has 8 GiB: 16 need 100 GiB of free disk');
    return { rows, verdicts, growths: [...ofFiles, ...ofTrees], notes };
  },
};
