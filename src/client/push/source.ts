/** The local side of a push: one directory, one file, or several of both side by side. */
import { CairnError } from '../../base/errors.ts';
import { comparePaths, joinPath, printable } from '../../base/safe-path.ts';
import { EntryTable, type EntryList } from '../../manifest/entry-table.ts';
import { StringTable, type StringList } from '../../manifest/string-table.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import type { ReadableLocalStore } from '../../storage/disk/local-disk.ts';
import type { TransferOptions } from '../api/options.ts';
import { portableMode, type Entry } from '../../manifest/entry.ts';
import { createLinkFinder } from '../../manifest/hard-links.ts';
import type { MetadataKind, Uncarried, UncarriedCounts } from '../../manifest/metadata.ts';
import type { ModeChange } from '../../manifest/modes.ts';
import { createSelector, SELECT_ALL, type Selector } from '../../manifest/selection.ts';
import { createEarlyReads, type EarlyReads } from './early-reads.ts';
import { ownDirectories, type DirectoryIdentity, type OwnPlaces } from './own-directories.ts';
import { ruleFilesOf, type RuleFiles } from './rule-files.ts';
import { createSourceSelection, type SourceSelection, type UnselectedSink } from './source-selection.ts';
import { listOfFile } from '../transfer/missing-listed.ts';
import { isGone, openRoot, refuseTwins, type SourceRoot, type SourceStore } from './source-roots.ts';

/** Sources that are open. Close them. */
export interface LocalSource {
  /** Name of a source that is one file or symbolic link; undefined for anything else. */
  readonly fileName: string | undefined;
  /** Where the bytes of a path of the manifest are. */
  locate(path: string): { readonly store: ReadableLocalStore; readonly path: string };
  /** The bytes of a path that were read when the last scan found it; undefined for all but a few. */
  readEarly(path: string): Uint8Array | undefined;
  /**
   * Lists everything that is selected, in canonical order.
   *
   * @throws CairnError `source-missing`, `source-unreadable`, storage codes, the signal's reason
   */
  scan(signal: AbortSignal, wishes?: SourceScanWishes): Promise<ScannedSource>;
  /**
   * Opens the sources of an earlier run, to be read and not scanned, and closed before these. What both have is opened
   * once; what {@link isGone} is missing when it is read.
   *
   * @throws CairnError like {@link openSource}
   */
  ofEarlierRun(sources: readonly string[]): Promise<LocalSource>;
  close(): Promise<void>;
}

/** The wishes of a scan of sources. */
export interface SourceScanWishes {
  /** Called now and then with the number of entries so far, and the last of them. */
  readonly onFound?: ((entries: number, last: readonly Entry[]) => void) | undefined;
  /** Called with what the selection leaves out. */
  readonly onUnselected?: UnselectedSink | undefined;
  /** The kinds of metadata that the entries are to have. */
  readonly metadata?: readonly MetadataKind[] | undefined;
}

/** What a scan found. */
export interface ScannedSource {
  readonly entries: EntryList;
  /** The identity of each entry, in the same order. */
  readonly identities: StringList;
  /** What had to be left out. */
  readonly notices: Notice[];
  /** The files with rules in the sources; undefined where they do not count. */
  readonly ruleFiles: RuleFiles | undefined;
  /** Decides about other paths as the scan did. */
  readonly selector: Selector;
  /** How many entries the selection left out; a directory counts once. */
  readonly unselected: number;
  /** How many entries have something that is not carried, where metadata is wanted. */
  readonly uncarried: UncarriedCounts;
}

/**
 * Opens what the user named. A directory is followed if it is a symbolic link, as `rsync DIR/` does; a link to anything
 * else is pushed as the link that it is. The directories in which cairn keeps its own files are no part of a tree.
 *
 * @throws CairnError `source-missing`, `source-unreadable`, `usage` where two sources have the same name
 */
export async function openSource(
  sources: readonly string[],
  { stateHome, compiledHome, chmod, selection = SELECT_ALL, wallClock = Date.now }: SourceOptions,
): Promise<LocalSource> {
  const isListed = selection.listed !== undefined;
  if (isListed && sources.length > 1)
    throw new CairnError(
      'usage',
      'a list of paths takes entries of one directory, and there are several sources',
    );
  const newSelector = (): Selector => createSelector(selection, wallClock());
  const change = chmod?.change;
  const places = { stateHome, compiledHome };
  const opening = { places, change, newSelector, opened: new Map(), mayBeGone: false };
  const source = await openBeside(sources, opening);
  if (!isListed || source.fileName === undefined) return source;
  await source.close();
  throw listOfFile(source.fileName);
}

/** The options of a transfer that its sources know. */
export type SourceOptions = OwnPlaces & Pick<TransferOptions, 'chmod' | 'selection' | 'wallClock'>;

interface Opening {
  readonly places: OwnPlaces;
  readonly change: ModeChange | undefined;
  readonly newSelector: () => Selector;
  /** Stores that are open already, by their path, and stay so. */
  readonly opened: ReadonlyMap<string, SourceStore>;
  readonly mayBeGone: boolean;
}

async function openBeside(
  sources: readonly string[],
  { places, change, newSelector, opened, mayBeGone }: Opening,
): Promise<LocalSource> {
  const roots: SourceRoot[] = [];
  const shared = new Map(opened);
  const closeOwn = async (): Promise<void> => {
    const borrowed = new Set(opened.values());
    for (const store of new Set(shared.values())) if (!borrowed.has(store)) await store.close();
  };
  try {
    for (const source of sources) {
      const isMissing = mayBeGone && (await isGone(source));
      roots.push(await openRoot(source, { isOneOfSeveral: sources.length > 1, isMissing, shared }));
    }
    roots.sort((a, b) => comparePaths(a.prefix, b.prefix));
    refuseTwins(roots);
  } catch (error) {
    await closeOwn();
    throw error;
  }
  const early = createEarlyReads();
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
    readEarly: early.get,
    scan: async (signal, { onFound = () => {}, onUnselected = () => {}, metadata } = {}) => {
      const passedOver = await ownDirectories(places);
      early.clear();
      return scanAll(roots, {
        signal,
        onFound,
        onUnselected,
        metadata,
        selector: newSelector(),
        passedOver,
        early,
        change,
      });
    },
    ofEarlierRun: (others) =>
      openBeside(others, { places, change, newSelector, opened: shared, mayBeGone: true }),
    close: closeOwn,
  };
}

interface Found {
  readonly entries: EntryTable;
  readonly identities: StringTable;
  readonly notices: Notice[];
  readonly uncarried: Map<Uncarried, number>;
}

interface ScanOptions {
  readonly signal: AbortSignal;
  readonly onFound: NonNullable<SourceScanWishes['onFound']>;
  readonly onUnselected: UnselectedSink;
  readonly selector: Selector;
  readonly metadata: readonly MetadataKind[] | undefined;
  readonly passedOver: readonly DirectoryIdentity[];
  readonly early: EarlyReads;
  readonly change: ModeChange | undefined;
}

interface RootScanOptions extends ScanOptions {
  readonly selection: SourceSelection;
  readonly linked: ReturnType<typeof createLinkFinder>;
}

async function scanAll(roots: readonly SourceRoot[], options: ScanOptions): Promise<ScannedSource> {
  const found: Found = {
    entries: new EntryTable(),
    identities: new StringTable(),
    notices: [],
    uncarried: new Map(),
  };
  const { selector, onUnselected } = options;
  const selection = createSourceSelection(
    selector,
    onUnselected,
    (notice) => void found.notices.push(notice),
  );
  const linked = createLinkFinder();
  for (const root of roots) await scanRoot(root, found, { ...options, selection, linked });
  found.notices.push(...selection.missing());
  const [notice] = found.notices;
  // One source that cannot be read at all is no partial transfer: there is nothing else.
  if (found.entries.length === 0 && (notice !== undefined || selection.unselected === 0)) {
    const code = notice === undefined || notice.code === 'source-changed' ? 'source-missing' : notice.code;
    const message = notice?.message ?? 'the source is no longer there';
    throw new CairnError(code, message);
  }
  const tops = roots.filter(({ base }) => base === '').map(({ prefix }) => prefix);
  const counts = selector.selection.readsIgnoreFiles;
  const ruleFiles = counts ? ruleFilesOf(selection.ruleFiles, tops) : undefined;
  return { ...found, selector, unselected: selection.unselected, ruleFiles };
}

async function scanRoot(
  { store, base, prefix }: SourceRoot,
  found: Found,
  { signal, onFound, metadata, passedOver, early, change, selection, linked }: RootScanOptions,
): Promise<void> {
  const onNotice = (notice: Notice): void =>
    void found.notices.push({ ...notice, path: joinPath(printable(prefix), notice.path) });
  try {
    const filter = selection.filterOf(prefix, base);
    const { uncarried } = found;
    const onUncarried = (what: Uncarried): void => void uncarried.set(what, (uncarried.get(what) ?? 0) + 1);
    for await (const batch of store.scan(base, { onNotice, passedOver, filter, metadata, onUncarried })) {
      signal.throwIfAborted();
      const last: Entry[] = [];
      for (const scanned of batch) {
        const path = joinPath(prefix, scanned.entry.path);
        // oxlint-disable-next-line no-await-in-loop -- in order, and only for the few that are restless
        const latest = early.isRestless(scanned)
          ? await early.read(path, scanned, { store, path: joinPath(base, scanned.entry.path), metadata })
          : scanned;
        const changed = change === undefined ? latest : { ...latest, entry: withMode(latest.entry, change) };
        const named = linked(changed, path);
        found.entries.push(named);
        last.push(named);
        found.identities.push(latest.identity);
      }
      onFound(found.entries.length, last);
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
