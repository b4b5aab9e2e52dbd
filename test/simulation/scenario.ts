/** What a seed is about: which way, which files, which parameters. */
import type { CompressMode } from '../../src/client/api/options.ts';
import type { SyncMode } from '../../src/session/sync-mode.ts';
import type { Disk } from './disk/disk.ts';
import { createChance, type Chance } from './random.ts';

/** Where things are in every world. */
export const PLACE = {
  source: '/home/source',
  destination: '/home/landing',
  state: '/home/state',
  serverRoot: '/srv/data',
  serverState: '/srv/state/sessions',
  /** Name below the server's root, and path of the URL. */
  name: 'landing',
} as const;

const CHUNK_BYTES = 64 * 1024;
/** Everything that is ever sent comes out of this: half of it shrinks. */
const NOISE = createChance(0x6e6f)
  .bytes(2 ** 20)
  .map((byte, index) => ((index >> 17) % 2 === 0 ? byte : byte & 15)) as Buffer;
const OLD_NS = 1_600_000_000_000_000_000n;

/** A file of the source, and every content that it has had. */
export interface SourceFile {
  readonly path: string;
  readonly versions: Buffer[];
}

/** The choices of one seed. */
export interface Scenario {
  readonly direction: 'push' | 'pull';
  readonly digest: 'xxh64' | 'sha256';
  readonly files: readonly SourceFile[];
  /** Content that is at the target before, by path. */
  readonly old: ReadonlyMap<string, Buffer>;
  readonly parallel: number;
  readonly chunkSizeBytes: number;
  readonly useNative: boolean;
  readonly retryForMs: number;
  /** How long the server keeps a session that nobody touches. */
  readonly leaseMs: number;
  readonly sync: SyncMode;
  readonly compress: CompressMode;
  readonly groupCommit: { readonly maxBytes: number; readonly maxDelayMs: number };
}

/** Draws the choices of a seed. */
export function drawScenario(chance: Chance): Scenario {
  const files: SourceFile[] = [];
  const add = (path: string, sizeBytes: number): void =>
    void files.push({ path, versions: [contentOf(chance, sizeBytes)] });
  // Most large files are only a little larger than a chunk: bytes cost time, and chunks are what there is to get wrong.
  add('big', chance.pick([1, 1, 2]) * CHUNK_BYTES + chance.int(0, 12_000));
  if (chance.is(0.4)) add('dir/large', CHUNK_BYTES + chance.int(0, 12_000));
  for (let count = chance.int(0, 4); count > 0; count -= 1) add(`dir/small-${count}`, chance.int(0, 12_000));
  const old = new Map<string, Buffer>();
  for (const { path } of files) if (chance.is(0.3)) old.set(path, contentOf(chance, chance.int(0, 70_000)));
  return {
    direction: chance.is(0.7) ? 'push' : 'pull',
    digest: chance.is(0.9) ? 'xxh64' : 'sha256',
    files,
    old,
    parallel: chance.int(1, 5),
    chunkSizeBytes: CHUNK_BYTES,
    useNative: chance.is(0.5),
    sync: chance.pick(['group', 'group', 'group', 'always', 'close']),
    retryForMs: chance.pick([20_000, 300_000]),
    // Some end while their client is away: clock jumps do not end any.
    leaseMs: chance.pick([600_000, 600_000, 600_000, 5_000]),
    groupCommit: {
      maxBytes: chance.pick([CHUNK_BYTES, 2 * CHUNK_BYTES, 2 ** 26]),
      maxDelayMs: chance.pick([10, 100, 500]),
    },
    compress: chance.pick(['auto', 'auto', 'always']),
  };
}

/** New content for a file. */
export function contentOf(chance: Chance, sizeBytes: number): Buffer {
  const from = chance.int(0, NOISE.length - sizeBytes);
  return NOISE.subarray(from, from + sizeBytes);
}

/** Puts files on a disk, with the same times on every machine. */
export function seedTree(
  disk: Disk,
  root: string,
  contents: Iterable<readonly [string, Buffer]>,
  mtimeNs = OLD_NS,
): void {
  for (const [path, bytes] of contents) disk.seedFile(`${root}/${path}`, bytes, mtimeNs);
  settle(disk, root, mtimeNs);
}

function settle(disk: Disk, path: string, mtimeNs: bigint): void {
  const node = disk.find(path);
  if (node?.type !== 'directory') return;
  node.attributes.mtimeNs = mtimeNs;
  for (const name of node.entries.keys()) settle(disk, `${path}/${name}`, mtimeNs);
}
