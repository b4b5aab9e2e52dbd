/** The local side of a push: one directory, one file, or several of both side by side. */
import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { kindOf, type FileKind } from '../../base/file-stat.ts';
import { comparePaths, joinPath, printable } from '../../base/safe-path.ts';
import { EntryTable, type EntryList } from '../../manifest/entry-table.ts';
import { StringTable, type StringList } from '../../manifest/string-table.ts';
import type { Notice } from '../../protocol/tree-stream.ts';
import type { ContentStore, ScanWishes } from '../../storage/content-store.ts';
import { portableMode, type Entry } from '../../manifest/entry.ts';
import type { ModeChange } from '../../manifest/modes.ts';
import { openLocalDisk } from '../../storage/local-disk/local-disk.ts';
import { createHeldFiles, type HeldFiles } from './held-files.ts';
import { streamAt } from '../transfer/descriptor-path.ts';

/** One source that the user named. */
interface SourceRoot {
  readonly store: ContentStore;
  /** Safe path of the source in its store; empty where the store is the source. */
  readonly base: string;
  /** Path of the source in the manifest. */
  readonly prefix: string;
}

/** Sources that are open. Close them. */
export interface LocalSource {
  /** Name of a source that is one file or symbolic link; undefined for anything else. */
  readonly fileName: string | undefined;
  /** Where the bytes of a path of the manifest are. */
  locate(path: string): { readonly store: ContentStore; readonly path: string };
  /** The bytes of a path that were read when the last scan found it; undefined for all but a few. */
  held(path: string): Uint8Array | undefined;
  /**
   * Lists everything, in canonical order; `onFound` is told now and then how many entries that are so far.
   *
   * @throws CairnError `source-missing`, `source-unreadable`, storage codes, the signal's reason
   */
  scan(signal: AbortSignal, onFound?: (entries: number) => void): Promise<ScannedSource>;
  close(): Promise<void>;
}

/** What a scan found. */
export interface ScannedSource {
  readonly entries: EntryList;
  /** The identity of each entry, in the same order. */
  readonly identities: StringList;
  /** What had to be left out. */
  readonly notices: Notice[];
}

/**
 * Opens what the user named. A directory is followed if it is a symbolic link, as `rsync DIR/` does; a link to anything
 * else is pushed as the link that it is. Where cairn keeps its own state is no part of a tree that it is in: it changes with
 * every run.
 *
 * @param change made to the modes of all that is found
 * @throws CairnError `source-missing`, `source-unreadable`, `usage` where two sources have the same name
 */
export async function openSource(
  sources: readonly string[],
  stateHome: string,
  change?: ModeChange,
): Promise<LocalSource> {
  const roots: SourceRoot[] = [];
  try {
    const shared = new Map<string, ContentStore>();
    for (const source of sources) roots.push(await openRoot(source, sources.length > 1, shared));
    roots.sort((a, b) => comparePaths(a.prefix, b.prefix));
    refuseTwins(roots);
  } catch (error) {
    await closeAll(roots);
    throw error;
  }
  const held = createHeldFiles();
  const byPrefix = new Map(roots.map((root) => [root.prefix, root]));
  const [first] = roots;
  const only = roots.length === 1 ? first : undefined;
  return {
    fileName: only !== undefined && only.base !== '' ? only.base : undefined,
    locate: (path) => {
      if (only !== undefined) return { store: only.store, path: joinPath(only.base, path) };
      const slash = path.indexOf('/');
      const root = byPrefix.get(slash < 0 ? path : path.slice(0, slash));
      if (root === undefined) throw new CairnError('internal', `no source has the path "${printable(path)}"`);
      return { store: root.store, path: joinPath(root.base, slash < 0 ? '' : path.slice(slash + 1)) };
    },
    held: held.get,
    scan: async (signal, onFound = () => {}) => {
      const passedOver = await stat(stateHome, { bigint: true }).catch(() => undefined);
      held.clear();
      return scanAll(roots, { signal, onFound, passedOver, held, change });
    },
    close: () => closeAll(roots),
  };
}

/** @param shared stores by their path: files of one directory share it, since a thousand of them may be named */
async function openRoot(
  source: string,
  isOneOfSeveral: boolean,
  shared: Map<string, ContentStore>,
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
    const isDirectory = await isDirectoryAt(path, isOneOfSeveral);
    const place = isDirectory ? path : dirname(path);
    const store = shared.get(place) ?? (await openLocalDisk(place, { isReadOnly: true }));
    shared.set(place, store);
    return { store, base: isDirectory ? '' : name, prefix };
  } catch (error) {
    throw sourceError(error, source);
  }
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
    kind === 'socket' ? '' : `; to send what can be read from it: cairn push - URL <"${printable(path)}"`;
  const message = `the source "${printable(path)}" is a ${kind}, and no file or directory${advice}`;
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

function refuseTwins(roots: readonly SourceRoot[]): void {
  for (const [index, root] of roots.entries()) {
    if (root.prefix !== roots[index + 1]?.prefix) continue;
    throw new CairnError(
      'usage',
      `two sources have the name "${printable(root.prefix)}"; they would land in the same place`,
    );
  }
}

interface Found extends ScannedSource {
  readonly entries: EntryTable;
  readonly identities: StringTable;
}

interface ScanOptions {
  readonly signal: AbortSignal;
  readonly onFound: (entries: number) => void;
  readonly passedOver: ScanWishes['passedOver'];
  readonly held: HeldFiles;
  readonly change: ModeChange | undefined;
}

async function scanAll(roots: readonly SourceRoot[], options: ScanOptions): Promise<ScannedSource> {
  const found: Found = { entries: new EntryTable(), identities: new StringTable(), notices: [] };
  for (const root of roots) await scanRoot(root, found, options);
  const [notice] = found.notices;
  // One source that cannot be read at all is no partial transfer: there is nothing else.
  if (found.entries.length === 0) {
    const isGone = notice === undefined || notice.code === 'source-changed';
    const message = notice?.message ?? 'the source is no longer there';
    throw new CairnError(isGone ? 'source-missing' : notice.code, message);
  }
  return found;
}

async function scanRoot(
  { store, base, prefix }: SourceRoot,
  found: Found,
  { signal, onFound, passedOver, held, change }: ScanOptions,
): Promise<void> {
  const onNotice = (notice: Notice): void =>
    void found.notices.push({ ...notice, path: joinPath(printable(prefix), notice.path) });
  try {
    for await (const batch of store.scan(base, { onNotice, passedOver })) {
      signal.throwIfAborted();
      for (const scanned of batch) {
        const path = joinPath(prefix, scanned.entry.path);
        // oxlint-disable-next-line no-await-in-loop -- in order, and only for the few that are held
        const { entry, identity } = held.mayHold(scanned)
          ? await held.hold(path, scanned, store, joinPath(base, scanned.entry.path))
          : scanned;
        const changed = change === undefined ? entry : withMode(entry, change);
        found.entries.push(prefix === '' ? changed : { ...changed, path });
        found.identities.push(identity);
      }
      onFound(found.entries.length);
    }
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'not-found') throw error;
    throw new CairnError(
      'source-missing',
      `the source "${printable(joinPath(prefix, base))}" does not exist`,
      { cause: error },
    );
  }
}

function withMode(entry: Entry, change: ModeChange): Entry {
  const { type, mode } = entry;
  return { ...entry, mode: portableMode(type, change(type, mode)) };
}

async function closeAll(roots: readonly SourceRoot[]): Promise<void> {
  for (const store of new Set(roots.map((root) => root.store))) await store.close();
}
