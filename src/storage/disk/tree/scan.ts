/** Lists a tree in canonical order: depth first, so that all entries below a directory directly follow it. */
import { isUtf8 } from 'node:buffer';
import { fstatSync, readlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, type ErrorCode, storageError, systemCodeOf } from '../../../base/errors.ts';
import { type FileKind, type FileStat, kindOf, type StatAt } from '../../../base/file-stat.ts';
import { checkRelativePath, isReservedName, joinPath, printable } from '../../../base/safe-path.ts';
import type { ScannedEntry } from '../../../manifest/entry.ts';
import type { NoticeSink, ScanWishes } from '../../content-store.ts';
import { foundEntry } from './found-entry.ts';
import type { AddMetadata } from './read-metadata.ts';
import { hasContent } from './unsized.ts';
import { isOfOneEntry } from '../../../transfer/refused-entries.ts';
import { splitPath } from './lookup.ts';
import { listNames, showBytes } from './names.ts';
import { isOwnState } from './own-state.ts';
import { readStart, type ScanFilter } from './scan-filter.ts';

/** Entries between two turns of the event loop: some milliseconds of lstat. */
const BATCH_ENTRIES = 500;

/** The codes of a bad path. */
const PATH_CODES: ReadonlySet<ErrorCode> = new Set(['path-unsafe', 'path-too-long', 'path-reserved']);

/** The notice for a file that has content and no size. */
const UNSIZED = 'its size is 0 in the file system, but it has content; push it from standard input';

interface Level {
  /** Relative to the start of the scan. */
  readonly path: string;
  /** Relative to the root of the store. */
  readonly storePath: string;
  readonly names: readonly string[];
  next: number;
}

/** The options of a scan of local files. */
export interface LocalScanWishes extends ScanWishes {
  /** Chooses what is listed; without it, everything is. */
  readonly filter?: ScanFilter | undefined;
}

/** The options of {@link scanTree}. */
export interface ScanOptions extends LocalScanWishes {
  /** Loads the faster stat call, once there is more than one batch of entries. */
  readonly loadStatAt?: () => Promise<StatAt | undefined>;
  /** Adds the metadata that is wanted. */
  readonly addMetadata?: AddMetadata | undefined;
}

/**
 * Scans the entry at `path` below `root`; see `ContentStore.scan`.
 *
 * @throws CairnError `not-found`, `not-directory`, `symlink-refused`, `path-unsafe` and similar codes, storage codes
 */
export async function* scanTree(
  root: Directory,
  path: string,
  options: ScanOptions,
): AsyncGenerator<ScannedEntry[]> {
  const scan = new TreeScan(root, checkRelativePath(path), options);
  try {
    scan.start();
    for (let more = true; more;) {
      more = scan.advance(BATCH_ENTRIES);
      const batch = scan.take();
      if (batch.length > 0) yield batch;
      if (!more) return;
      scan.statAt ??= await options.loadStatAt?.();
      await nextTurn();
    }
  } finally {
    scan.close();
  }
}

class TreeScan {
  statAt: StatAt | undefined;
  readonly #root: Directory;
  readonly #cursor: DirectoryCursor;
  /** The scanned path, relative to the root of the store. */
  readonly #base: string;
  readonly #onNotice: NoticeSink;
  readonly #maxDepth: number;
  readonly #passedOver: NonNullable<ScanOptions['passedOver']>;
  readonly #filter: ScanFilter | undefined;
  readonly #addMetadata: AddMetadata | undefined;
  readonly #levels: Level[] = [];
  #batch: ScannedEntry[] = [];

  constructor(root: Directory, base: string, options: ScanOptions) {
    this.#root = root;
    this.#cursor = new DirectoryCursor(root);
    this.#base = base;
    this.#onNotice = options.onNotice;
    this.#passedOver = options.passedOver ?? [];
    this.#filter = options.filter;
    this.#addMetadata = options.addMetadata;
    this.#maxDepth = options.depth ?? Number.POSITIVE_INFINITY;
  }

  /** Visits the scanned path itself. */
  start(): void {
    if (this.#base === '') {
      const stat = fstatSync(this.#root.fd, { bigint: true });
      this.#add('', 'directory', stat, { pathOf: () => `${this.#root.here()}/.` });
      this.#descend('', stat.dev);
      return;
    }
    const { parent, name } = splitPath(this.#base);
    const directory = this.#cursor.enter(parent);
    try {
      const there = directory.look(name, undefined);
      if (there === undefined) {
        throw new CairnError('not-found', `there is nothing at "${printable(this.#base)}"`);
      }
      directory.refuseReserved(name, there);
      this.#visit(directory, name, '');
    } catch (error) {
      throw storageError(error, `looking at "${printable(this.#base)}"`);
    }
  }

  /** Visits about `count` more entries; false when there are no more. */
  advance(count: number): boolean {
    for (let left = count; left > 0; left -= 1) {
      const level = this.#levels.at(-1);
      if (level === undefined) return false;
      const name = level.names[level.next];
      level.next += 1;
      if (name !== undefined) this.#child(level, name);
      else this.#levels.pop();
    }
    return true;
  }

  take(): ScannedEntry[] {
    const batch = this.#batch;
    this.#batch = [];
    return batch;
  }

  close(): void {
    this.#cursor.close();
  }

  #child(level: Level, name: string): void {
    const path = joinPath(level.path, name);
    const storePath = joinPath(level.storePath, name);
    let directory: Directory;
    try {
      directory = this.#cursor.enter(level.storePath);
      // State of cairn does not belong to a tree.
      if (isReservedName(name) && isOwnState(directory, name, { isAtTop: name === storePath })) return;
      checkRelativePath(storePath);
    } catch (error) {
      const isOfPath = error instanceof CairnError && PATH_CODES.has(error.code);
      if (!isOfPath) return this.#noticeOf(error, path);
      if (this.#selects(path, 'directory', { size: 0n, mtimeNs: 0n }))
        this.#notice(error.code, path, error.message);
      return;
    }
    this.#visit(directory, name, path);
  }

  #visit(parent: Directory, name: string, path: string): void {
    let stat: FileStat | undefined;
    let type: FileKind;
    let linkTarget = '';
    try {
      stat = parent.look(name, this.statAt);
      if (stat === undefined) return this.#goneNotice(path);
      type = kindOf(stat);
      if (!this.#selects(path, type, stat)) return;
      if (type === 'symlink') {
        const target = readlinkSync(parent.at(name), 'buffer');
        if (!isUtf8(target)) return this.#notice('source-unsupported', path, 'its link target is not UTF-8');
        linkTarget = target.toString();
      }
      if (type === 'file' && stat.size === 0n && hasContent(parent, name))
        return this.#notice('source-unsupported', path, UNSIZED);
    } catch (error) {
      return this.#noticeOf(error, path);
    }
    if (type === 'FIFO' || type === 'socket' || type === 'device') {
      return this.#notice('source-unsupported', path, `it is a ${type}`);
    }
    if (type === 'directory' && parent.reserved?.has(stat) === true) return;
    if (type === 'directory' && path !== '' && this.#isPassedOver(stat)) return;
    if (stat.size > BigInt(Number.MAX_SAFE_INTEGER))
      return this.#notice('source-unsupported', path, 'its size is out of range');
    this.#add(path, type, stat, { linkTarget, pathOf: () => parent.at(name) });
    if (type === 'directory') this.#descend(path, stat.dev);
  }

  #selects(path: string, kind: FileKind, { size, mtimeNs }: Pick<FileStat, 'size' | 'mtimeNs'>): boolean {
    const selects = this.#filter?.selects;
    if (selects === undefined) return true;
    const type = kind === 'directory' || kind === 'symlink' ? kind : 'file';
    return selects({ path, type, sizeBytes: type === 'file' ? Number(size) : 0, mtimeNs });
  }

  #add(
    path: string,
    type: 'file' | 'directory' | 'symlink',
    stat: FileStat,
    { linkTarget = '', pathOf }: { readonly linkTarget?: string; readonly pathOf: () => string },
  ): void {
    const found = foundEntry(path, type, stat, linkTarget);
    this.#batch.push(this.#addMetadata === undefined ? found : this.#withMetadata(found, stat, pathOf));
    if (found.entry.mtimeNs === stat.mtimeNs) return;
    const year = stat.mtimeNs < 0n ? 'before 1678' : 'after 2261';
    const message = `its modification time, ${year}, is out of range, and is carried as the nearest one in range`;
    this.#onNotice({ code: 'time-out-of-range', path: printable(path), message });
  }

  #withMetadata(found: ScannedEntry, stat: FileStat, pathOf: () => string): ScannedEntry {
    return this.#addMetadata!(found, stat, pathOf, (error) => {
      const { path } = found.entry;
      const { message } = storageError(error, 'reading its attributes');
      const text = `"${printable(path)}" is carried without its extended attributes and lists: ${message}`;
      this.#onNotice({ code: 'source-unreadable', path: printable(path), message: text });
    });
  }

  /** Enters a directory; an unreadable one stays an entry, with no entries below it. */
  #descend(path: string, device: bigint): void {
    if (this.#levels.length >= this.#maxDepth) return;
    try {
      const storePath = joinPath(this.#base, path);
      const directory = this.#cursor.enter(storePath);
      const { names, notUtf8 } = listNames(directory);
      const read = (name: string, maxBytes: number): Uint8Array => readStart(directory, name, maxBytes);
      const chosen = this.#filter?.namesIn({ path, device, names, read }) ?? names;
      for (const name of notUtf8) {
        const shown = joinPath(path, showBytes(name));
        if (this.#selects(shown, 'file', { size: 0n, mtimeNs: 0n }))
          this.#notice('source-unsupported', shown, 'its name is not UTF-8');
      }
      this.#levels.push({ path, storePath, names: chosen, next: 0 });
    } catch (error) {
      this.#noticeOf(error, path);
    }
  }

  /** A failure of one entry becomes a notice; a failure of this process or machine ends the scan. */
  #noticeOf(error: unknown, path: string): void {
    // The error of opening a directory names its path on this machine, which the other side must not see.
    const own = error instanceof CairnError ? (error.cause ?? error) : error;
    const failure = storageError(own, `reading "${printable(joinPath(this.#base, path))}"`);
    const system = systemCodeOf(error) ?? systemCodeOf(failure.cause);
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EINVAL'].includes(system ?? '')) {
      this.#goneNotice(path);
    } else if (failure.code === 'storage-io' || isOfOneEntry(failure)) {
      this.#notice('source-unreadable', path, failure.message);
    } else {
      throw failure;
    }
  }

  #goneNotice(path: string): void {
    this.#notice('source-changed', path, 'it disappeared during the scan');
  }

  #isPassedOver({ ino, dev }: { readonly ino: bigint; readonly dev: bigint }): boolean {
    return this.#passedOver.some((own) => own.ino === ino && own.dev === dev);
  }

  #notice(code: ErrorCode, path: string, why: string): void {
    const shown = printable(path);
    const name = shown === '' ? printable(this.#base) : shown;
    this.#onNotice({ code, path: shown, message: `"${name}" is left out: ${why}` });
  }
}
