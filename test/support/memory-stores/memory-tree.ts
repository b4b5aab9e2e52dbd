/** The published tree as objects: files whole, directories and symlinks as empty marker objects; metadata says which. */
import { CairnError } from '../../../src/base/errors.ts';
import { printable } from '../../../src/base/safe-path.ts';
import type { Entry, EntryType, ScannedEntry } from '../../../src/manifest/entry.ts';
import type { MemoryBackend, ObjectHead } from './memory-backend.ts';

/** Prefix of everything that is published. */
export const CONTENT_PREFIX = 'content/';

/** What the root is while nothing has been published at the root itself. */
const EMPTY_ROOT: ScannedEntry = {
  entry: { type: 'directory', path: '', sizeBytes: 0, mode: 0o755, mtimeNs: 0n, linkTarget: '' },
  identity: '"root"',
};

/** Key of the object at a published path. */
export function contentKey(path: string): string {
  return CONTENT_PREFIX + path;
}

/** The metadata that an entry is kept with. */
export function metadataOf(entry: Entry): Record<string, string> {
  const type = entry.type === 'stream' ? 'file' : entry.type;
  return {
    type,
    mode: String(entry.mode),
    mtimeNs: String(entry.mtimeNs),
    linkTarget: entry.linkTarget,
  };
}

/** The entry that an object stands for, under another path than its own. */
export function scannedEntryOf(head: ObjectHead, path: string): ScannedEntry {
  const { type, mode, mtimeNs, linkTarget } = head.metadata;
  const entry: Entry = {
    type: type as EntryType,
    path,
    sizeBytes: type === 'file' ? head.sizeBytes : 0,
    mode: Number(mode),
    mtimeNs: BigInt(mtimeNs ?? 0),
    linkTarget: linkTarget ?? '',
  };
  return { entry, identity: head.etag };
}

/** What is at a published path; undefined where nothing is. Looks at no parents. */
export async function findEntry(backend: MemoryBackend, path: string): Promise<ScannedEntry | undefined> {
  const head = await backend.head(contentKey(path));
  if (head !== undefined) return scannedEntryOf(head, path);
  return path === '' ? EMPTY_ROOT : undefined;
}

/** The paths above `path`, without the root, the highest first. */
export function ancestorsOf(path: string): string[] {
  const names = path.split('/').slice(0, -1);
  return names.map((_, index) => names.slice(0, index + 1).join('/'));
}

/**
 * The first thing above `path` that is no directory, or undefined.
 *
 * @throws CairnError `symlink-refused` where it is a symlink
 */
export async function findObstacle(backend: MemoryBackend, path: string): Promise<ScannedEntry | undefined> {
  for (const ancestor of ancestorsOf(path)) {
    const found = await findEntry(backend, ancestor);
    if (found === undefined) return undefined;
    if (found.entry.type === 'symlink') {
      throw new CairnError('symlink-refused', `"${printable(ancestor)}" is a symlink and is not followed`);
    }
    if (found.entry.type !== 'directory') return found;
  }
  return undefined;
}
