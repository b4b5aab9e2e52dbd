/** Ten thousand small files, and a second run over a hundred thousand in which there is nothing to do. */
import { cairn, rclone, rsync } from '../contestants/all.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { dataTree, KIB } from '../data.ts';
import { race } from '../race.ts';
import { compare, found } from '../result.ts';
import type { Scenario } from './scenario.ts';

const small = (direction: 'push' | 'pull'): Scenario => ({
  name: `small-${direction}`,
  title: `${direction} 10,000 files of 4 KiB, memory file system`,
  takesLong: false,
  run: async (bench) => {
    const shape = { files: bench.isQuick ? 2000 : 10_000, bytesEach: 4 * KIB };
    const bytes = shape.files * shape.bytesEach;
    const source = dataTree(bench.memory, shape);
    const { runs, memory: place } = bench;
    const contestants = [cairn, rsync, rclone];
    // Each request of rclone's WebDAV waits at least 10 ms: all files would take minutes.
    const less = { ...shape, files: shape.files / 20 };
    const isPaced = ({ name }: Contestant): boolean => direction === 'push' && name === rclone.name;
    const sourceOf = (contestant: Contestant): string | undefined =>
      isPaced(contestant) ? dataTree(bench.memory, less) : undefined;
    const raced = await race(bench, { direction, place, contestants, source, sourceOf, runs });
    const rows = raced.map((row) =>
      row.contestant === rclone.name && direction === 'push' ? { ...row, bytes: bytes / 20 } : row,
    );
    const verdicts = [
      compare({ rows, bytes }, rsync.name, { limit: 1.5, bound: 'at most' }),
      compare({ rows, bytes }, rclone.name, { limit: 10, bound: 'at least' }),
    ];
    const notes =
      direction === 'push'
        ? ['rclone, which waits 10 ms before each WebDAV request, pushes a twentieth']
        : [];
    if (bench.isQuick) notes.unshift('2,000 files');
    return { bytes, rows, verdicts: found(verdicts), notes };
  },
});

const secondRun: Scenario = {
  name: 'second-run',
  title: 'second push of 100,000 files, nothing changed, memory file system',
  takesLong: false,
  run: async (bench) => {
    const shape = { files: bench.isQuick ? 10_000 : 100_000, bytesEach: 64 };
    const source = dataTree(bench.memory, shape);
    const { runs, memory: place } = bench;
    const contestants = [cairn, rsync];
    const rows = await race(bench, {
      direction: 'push',
      place,
      contestants,
      source,
      runs,
      isRepeated: true,
    });
    const verdicts = [compare({ rows }, rsync.name, { limit: 1.5, bound: 'at most' })];
    const notes = ['files of 64 bytes; the first run, which brings them, is not counted'];
    return { rows, verdicts: found(verdicts), notes: bench.isQuick ? ['10,000 files', ...notes] : notes };
  },
};

/** All of them. */
export const smallFiles: readonly Scenario[] = [small('push'), small('pull'), secondRun];
