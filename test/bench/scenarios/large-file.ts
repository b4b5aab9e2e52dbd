/** One large file over loopback: in memory, where only CPU counts, and on a disk, durable. */
import { aria2, cairn, curl, rclone, rsync, tus } from '../contestants/all.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { dataFile, GIB, MIB } from '../data.ts';
import { race } from '../race.ts';
import { compare, found, type Verdict } from '../result.ts';
import type { Scenario } from './scenario.ts';

type Direction = 'push' | 'pull';

interface Target {
  readonly peer: string;
  readonly limit: number;
}

const TARGETS: Readonly<Record<Direction, readonly Target[]>> = {
  push: [
    { peer: rsync.name, limit: 1 },
    { peer: curl.name, limit: 1.3 },
  ],
  pull: [
    { peer: rsync.name, limit: 1 },
    { peer: curl.name, limit: 1.3 },
    { peer: aria2(4).name, limit: 0.9 },
  ],
};
const CONTESTANTS: Readonly<Record<Direction, readonly Contestant[]>> = {
  push: [cairn, rsync, curl, rclone, tus],
  pull: [cairn, rsync, curl, rclone, aria2(4), aria2(16)],
};

/** In memory. */
const inMemory = (direction: Direction): Scenario => ({
  name: `${direction}-1g`,
  title: `${direction} 1 GiB, loopback, memory file system`,
  takesLong: false,
  run: async (bench) => {
    const bytes = bench.isQuick ? 256 * MIB : GIB;
    const source = dataFile(bench.memory, bytes);
    // The quick bench has those that a target names.
    const named = new Set(TARGETS[direction].map(({ peer }) => peer));
    const contestants = CONTESTANTS[direction].filter(
      ({ name }) => !bench.isQuick || name === cairn.name || named.has(name),
    );
    const { runs, memory: place } = bench;
    const rows = await race(bench, { direction, place, contestants, source, runs });
    const verdicts = TARGETS[direction].map(({ peer, limit }) =>
      compare({ rows, bytes }, peer, { limit, bound: 'at most' }),
    );
    const notes = ['curl and nginx verify nothing; the page cache is warm'];
    return { bytes, rows, verdicts: found(verdicts), notes: bench.isQuick ? ['256 MiB', ...notes] : notes };
  },
});

/** On a disk, where cairn makes everything durable by itself and rsync is asked to. */
const onDisk = (direction: Direction): Scenario => ({
  name: `${direction}-4g-disk`,
  title: `${direction} 4 GiB on disk, durable`,
  takesLong: true,
  run: async (bench) => {
    const bytes = 4 * GIB;
    const source = dataFile(bench.disk, bytes);
    const contestants = [cairn, rsync];
    const { runs, disk: place } = bench;
    const rows = await race(bench, { direction, place, contestants, source, runs });
    const verdict: Verdict | undefined = compare({ rows, bytes }, rsync.name, { limit: 1, bound: 'at most' });
    const notes = ['cairn: exit 0 means durable; rsync: --fsync. The source is in the page cache.'];
    return { bytes, rows, verdicts: found([verdict]), notes };
  },
});

/** All of them. */
export const largeFile: readonly Scenario[] = [
  inMemory('push'),
  inMemory('pull'),
  onDisk('push'),
  onDisk('pull'),
];
