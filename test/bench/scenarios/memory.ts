/** How time, CPU and memory of both sides grow with the size of a file and with the number of entries. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { Bench } from '../bench.ts';
import { seatCairn } from '../contestants/cairn.ts';
import { dataFile, dataTree, GIB, MIB } from '../data.ts';
import { checkSame } from '../digest.ts';
import { measure, type Measurement } from '../measure.ts';
import type { Place } from '../place.ts';
import type { Growth, Row, ScenarioResult, Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

const LIMITS_MB = { files: 130, entries: 400 };
/** For the file, what is served of it, and what comes back. With less the largest file has 8 GiB. */
const FREE_FOR_LARGEST = 60 * GIB;
const ENTRIES = [1000, 10_000, 100_000, 1_000_000];
/** Of each entry, and as many again for others. */
const COPIES = 6;
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

function growthsOf(title: string, unit: string, points: readonly Point[]): Growth[] {
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

interface Point extends Both {
  readonly amount: number;
}

function resultOf(
  title: string,
  unit: 'MiB' | 'entries',
  { points, limit, notes }: { points: readonly Point[]; limit: number; notes: readonly string[] },
): Omit<ScenarioResult, 'name' | 'title'> {
  const growths = growthsOf(title, unit, points);
  const rows: Row[] = growths.flatMap((growth) =>
    growth.points.map(({ amount, run }) => ({
      contestant: `${growth.title}: ${amount.toLocaleString('en')} ${unit}`,
      runs: [run],
      ...(unit === 'MiB' ? { bytes: amount * MIB } : {}),
    })),
  );
  return { rows, verdicts: growths.flatMap((growth) => verdictsOf(growth, limit)), growths, notes };
}

const ofFiles: Scenario = {
  name: 'memory-files',
  title: 'how cost grows with the size of a file, on disk',
  takesLong: true,
  run: async (bench) => {
    const largest = bench.disk.freeBytes() > FREE_FOR_LARGEST ? 16 * GIB : 8 * GIB;
    const points: Point[] = [];
    for (const bytes of [64 * MIB, 256 * MIB, GIB, largest]) {
      const source = dataFile(bench.disk, bytes);
      points.push({ amount: bytes / MIB, ...(await thereAndBack(bench, bench.disk, source)) });
      if (bytes === largest) rmSync(source);
    }
    const notes = ['each with a server of its own'];
    if (largest < 16 * GIB) notes.push('the largest file has 8 GiB: 16 need 60 GiB of free disk');
    return resultOf('one file', 'MiB', { points, limit: LIMITS_MB.files, notes });
  },
};

const ofEntries: Scenario = {
  name: 'memory-entries',
  title: 'how cost grows with the number of files of 16 bytes',
  takesLong: true,
  run: async (bench) => {
    const points: Point[] = [];
    const notes = ['each with a server of its own; on the memory file system'];
    for (const entries of ENTRIES) {
      // There, at the server and back; whoever else uses these file systems has to have some, too.
      const needed = entries * COPIES;
      const place = [bench.memory, bench.disk].find((candidate) => candidate.freeFiles() > needed);
      if (place === undefined) {
        notes.push(
          `${entries.toLocaleString('en')} entries are left out: no file system can hold so many files`,
        );
        continue;
      }
      if (place.isDisk) notes.push(`${entries.toLocaleString('en')} entries on disk: too many for the other`);
      const source = dataTree(place, { files: entries, bytesEach: 16 });
      points.push({ amount: entries, ...(await thereAndBack(bench, place, source)) });
      rmSync(source, { recursive: true });
    }
    return resultOf('many files', 'entries', { points, limit: LIMITS_MB.entries, notes });
  },
};

/** All of them. */
export const memory: readonly Scenario[] = [ofFiles, ofEntries];
