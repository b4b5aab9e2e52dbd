/** Arbitrary trees for property tests. */
import fc from 'fast-check';
import { comparePaths } from '../../src/base/safe-path.ts';
import { portableMode, type Entry, type EntryType } from '../../src/manifest/entry.ts';

/** An entry with every field. */
export function entryOf(type: EntryType, path: string, changes: Partial<Entry> = {}): Entry {
  const linkTarget = type === 'symlink' ? 'somewhere' : '';
  const mode = portableMode(type, type === 'directory' ? 0o755 : 0o644);
  return { type, path, sizeBytes: 0, mode, mtimeNs: 0n, linkTarget, ...changes };
}

const name = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 8 }),
    fc.string({ minLength: 1, maxLength: 3 }),
    fc.constantFrom('a', 'b', '-', '\n', '"', '\\', '\u2028', '😀', '\uff5e', '__proto__'),
  )
  .filter((text) => !/[/\0]/.test(text) && text.isWellFormed() && !['.', '..', '.cairn'].includes(text));

const mtimeNs = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(0n, 2n ** 63n - 1n, -(2n ** 63n)),
);

const leaf = (sizes: fc.Arbitrary<number>) =>
  fc.record({
    type: fc.constantFrom<EntryType>('file', 'symlink', 'directory'),
    sizeBytes: sizes,
    mode: fc.integer({ min: 0, max: 0o7777 }),
    mtimeNs,
    linkTarget: fc
      .string({ unit: 'binary', minLength: 1, maxLength: 20 })
      .filter((target) => !target.includes('\0') && target.isWellFormed()),
  });

function treeOf(leaves: readonly (readonly [string[], Omit<Entry, 'path'>])[]): Entry[] {
  const byPath = new Map<string, Entry>();
  for (const [names, made] of leaves) {
    const path = names.join('/');
    const parents = names.slice(0, -1).map((_, depth) => names.slice(0, depth + 1).join('/'));
    if (
      byPath.has(path) ||
      parents.some((parent) => (byPath.get(parent)?.type ?? 'directory') !== 'directory')
    )
      continue;
    for (const parent of parents) byPath.set(parent, byPath.get(parent) ?? entryOf('directory', parent));
    const { type, mode, sizeBytes, linkTarget } = made;
    byPath.set(path, {
      type,
      path,
      sizeBytes: type === 'file' ? sizeBytes : 0,
      mode: portableMode(type, mode),
      mtimeNs: made.mtimeNs,
      linkTarget: type === 'symlink' ? linkTarget : '',
    });
  }
  return [...byPath.values()].toSorted((a, b) => comparePaths(a.path, b.path));
}

/** Entries of a tree in canonical order; files have sizes of `sizes`. */
export function arbitraryTree(sizes: fc.Arbitrary<number>): fc.Arbitrary<Entry[]> {
  const path = fc.array(name, { minLength: 1, maxLength: 4 });
  return fc.array(fc.tuple(path, leaf(sizes)), { maxLength: 30 }).map(treeOf);
}
