/** What the user names as sources of a push, one by one: opened, or refused with the reason. */
import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { kindOf, type FileKind } from '../../base/file-stat.ts';
import { printable } from '../../base/safe-path.ts';
import { openLocalDisk, type ReadableLocalStore } from '../../storage/disk/local-disk.ts';
import { streamAt } from '../transfer/descriptor-path.ts';
import { createRestingStore } from './resting-store.ts';

/** A place that sources are read from. Close it. */
export interface SourceStore extends ReadableLocalStore {
  close(): Promise<void>;
}

/** One source that the user named. */
export interface SourceRoot {
  readonly store: SourceStore;
  /** Safe path of the source in its store; empty where the store is the source. */
  readonly base: string;
  /** Path of the source in the manifest. */
  readonly prefix: string;
}

/** Whether a source is no longer there, while the directory that it was in is. */
export async function isGone(source: string): Promise<boolean> {
  const path = resolve(source);
  return (await isMissingAt(path)) && !(await isMissingAt(dirname(path)));
}

async function isMissingAt(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return false;
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '');
  }
}

/** How {@link openRoot} takes a source. */
export interface RootWishes {
  readonly isOneOfSeveral: boolean;
  /** It {@link isGone}: whatever it was, it is taken for a file. */
  readonly isMissing: boolean;
  /** Stores by their path: files of one directory share it, since a thousand of them may be named. */
  readonly shared: Map<string, SourceStore>;
}

/** So many stay open: a process may have 256 descriptors, and needs some for its connections. */
const MAX_OPEN_STORES = 64;

/**
 * Opens one source.
 *
 * @throws CairnError `source-missing`, `source-unreadable`, `source-unsupported`, `usage` for `/` as one of several
 */
export async function openRoot(
  source: string,
  { isOneOfSeveral, isMissing, shared }: RootWishes,
): Promise<SourceRoot> {
  const path = resolve(source);
  const name = basename(path);
  if (isOneOfSeveral && name === '')
    throw new CairnError('usage', 'the root directory cannot be one of several sources: it has no name');
  const prefix = isOneOfSeveral ? name : '';
  if ((await streamAt(path)) !== undefined)
    throw new CairnError(
      'source-unsupported',
      `"${printable(source)}" is a stream, which can only be pushed alone`,
    );
  try {
    const isDirectory = !isMissing && (await isDirectoryAt(path, isOneOfSeveral));
    const place = isDirectory ? path : dirname(path);
    const store = shared.get(place) ?? (await openStore(place, shared.size < MAX_OPEN_STORES));
    shared.set(place, store);
    return { store, base: isDirectory ? '' : name, prefix };
  } catch (error) {
    throw sourceError(error, source);
  }
}

/** Opens the directory at a place; beside many others it is closed again, until something is asked of it. */
async function openStore(place: string, staysOpen: boolean): Promise<SourceStore> {
  const open = (): ReturnType<typeof openLocalDisk> => openLocalDisk(place, { isReadOnly: true });
  const store = await open();
  if (staysOpen) return store;
  await store.close();
  return { ...createRestingStore(open), close: async () => undefined };
}

/** Whether a directory is there, links followed; a link that leads nowhere is a thing of its own. */
async function isDirectoryAt(path: string, isOneOfSeveral: boolean): Promise<boolean> {
  const own = await lstat(path, { bigint: true });
  const kind = kindOf(own);
  if (!isOneOfSeveral) refuseKind(path, kind);
  if (kind !== 'symlink') return kind === 'directory';
  const target = await stat(path).catch((error: unknown) => {
    if (['ENOENT', 'ELOOP', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return undefined;
    throw error;
  });
  return target?.isDirectory() ?? false;
}

/** Among others it is named and left out; alone there is nothing else that could be done. */
function refuseKind(path: string, kind: FileKind): void {
  if (kind === 'file' || kind === 'directory' || kind === 'symlink') return;
  const advice =
    kind === 'socket' ? '' : `; to send the bytes that it yields: cairn push - URL <"${printable(path)}"`;
  const message = `the source "${printable(path)}" is a ${kind}, not a file or directory${advice}`;
  throw new CairnError('source-unsupported', message);
}

function sourceError(error: unknown, source: string): CairnError {
  const shown = printable(source);
  const failure = storageError(error, `looking at "${shown}"`);
  const system = systemCodeOf(error) ?? '';
  if (system === 'ENOENT' || system === 'ENOTDIR' || failure.code === 'not-found') {
    return new CairnError('source-missing', `the source "${shown}" does not exist`, {
      cause: error,
      details: { path: source },
    });
  }
  if (failure.code !== 'storage-denied') return failure;
  return new CairnError('source-unreadable', `the source "${shown}" cannot be read: permission denied`, {
    cause: error,
    details: { path: source },
  });
}

/** Two sources with the same name would land in the same place; `roots` are in order. @throws CairnError `usage` */
export function refuseTwins(roots: readonly SourceRoot[]): void {
  for (const [index, root] of roots.entries()) {
    if (root.prefix !== roots[index + 1]?.prefix) continue;
    throw new CairnError(
      'usage',
      `two sources have the name "${printable(root.prefix)}"; they would land in the same place`,
    );
  }
}
