/** Compares two trees on this disk, without a line of what transferred them. */
import { isUtf8 } from 'node:buffer';
import type { BigIntStats } from 'node:fs';
import { lstat, open, readdir, readlink } from 'node:fs/promises';
import { printable } from '../../../base/safe-path.ts';
import { portableMode } from '../../../manifest/entry.ts';

const PIECE_BYTES = 1024 * 1024;
const NO_NAME = Buffer.alloc(0);
const SLASH = Buffer.from('/');

/** What a comparison found. */
export interface TreeComparison {
  entries: number;
  bytes: number;
  /** What differs, in words. */
  readonly differences: string[];
}

/** What is at a path, and how large; directories are walked. Names stay bytes: not every one is UTF-8. */
export async function measureTree(path: string): Promise<{ entries: number; bytes: number }> {
  let entries = 0;
  let bytes = 0;
  const visit = async (at: Buffer): Promise<void> => {
    const stat = await lstat(at);
    entries += 1;
    if (stat.isFile()) bytes += stat.size;
    if (!stat.isDirectory()) return;
    for (const name of await readdir(at, { encoding: 'buffer' })) await visit(below(at, name));
  };
  await visit(Buffer.from(path));
  return { entries, bytes };
}

/**
 * Compares names, types, modes, modification times to the nanosecond, link targets and contents. Relative paths in
 * `leftOut` are not looked at.
 */
export async function compareTrees(
  left: string,
  right: string,
  leftOut: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<TreeComparison> {
  const found: TreeComparison = { entries: 0, bytes: 0, differences: [] };
  const visit = async (relative: Buffer): Promise<void> => {
    signal.throwIfAborted();
    const name = relative.toString();
    // The client names what it leaves out as it shows it; a name that is not UTF-8 is always left out.
    if (leftOut.has(name) || leftOut.has(printable(name)) || !isUtf8(relative)) return;
    const paths = [pathOf(left, relative), pathOf(right, relative)] as const;
    const [a, b] = await Promise.all(
      paths.map((path) => lstat(path, { bigint: true }).catch(() => undefined)),
    );
    found.entries += 1;
    const why = a === undefined || b === undefined ? 'missing' : await differenceOf(paths, a, b, found);
    if (why !== undefined) found.differences.push(`${name || '.'}: ${why}`);
    if (a?.isDirectory() !== true || b?.isDirectory() !== true) return;
    for (const child of await namesIn(paths))
      await visit(relative.length === 0 ? child : below(relative, child));
  };
  await visit(NO_NAME);
  return found;
}

async function differenceOf(
  [left, right]: readonly [Buffer, Buffer],
  a: BigIntStats,
  b: BigIntStats,
  found: TreeComparison,
): Promise<string | undefined> {
  const type = typeOf(a);
  if (type !== typeOf(b)) return `a ${type} became a ${typeOf(b)}`;
  if (portableMode(type, Number(a.mode)) !== portableMode(type, Number(b.mode))) return 'the mode differs';
  if (a.mtimeNs !== b.mtimeNs) return `the modification time differs by ${b.mtimeNs - a.mtimeNs} ns`;
  if (type === 'symlink') {
    const targets = await Promise.all([left, right].map((path) => readlink(path, { encoding: 'buffer' })));
    return targets[0]?.equals(targets[1] ?? NO_NAME) ? undefined : 'the link target differs';
  }
  if (type !== 'file') return undefined;
  if (a.size !== b.size) return 'the size differs';
  found.bytes += Number(a.size);
  return (await sameBytes(left, right)) ? undefined : 'the content differs';
}

function typeOf(stat: BigIntStats): 'file' | 'directory' | 'symlink' {
  if (stat.isSymbolicLink()) return 'symlink';
  return stat.isDirectory() ? 'directory' : 'file';
}

async function sameBytes(left: Buffer, right: Buffer): Promise<boolean> {
  const files = await Promise.all([left, right].map((path) => open(path)));
  try {
    const [a, b] = [Buffer.allocUnsafe(PIECE_BYTES), Buffer.allocUnsafe(PIECE_BYTES)];
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- in order
      const [fromA = 0, fromB = 0] = await Promise.all(
        files.map(async (file, side) => (await file.read(side === 0 ? a : b, 0, PIECE_BYTES)).bytesRead),
      );
      if (!a.subarray(0, fromA).equals(b.subarray(0, fromB))) return false;
      if (fromA === 0) return true;
    }
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** The names in both directories, each once. */
async function namesIn(paths: readonly Buffer[]): Promise<Buffer[]> {
  const lists = await Promise.all(paths.map((path) => readdir(path, { encoding: 'buffer' })));
  const names = new Map(lists.flat().map((name) => [name.toString('latin1'), name]));
  return [...names.values()].toSorted(Buffer.compare);
}

function pathOf(root: string, relative: Buffer): Buffer {
  return relative.length === 0 ? Buffer.from(root) : below(Buffer.from(root), relative);
}

function below(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name]);
}
