/** Reads published files, bound to the version that was scanned. */
import { closeSync, constants, fstatSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { DirectoryCursor } from '../../../base/directory-walk.ts';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, type ErrorCode, storageError, systemCodeOf } from '../../../base/errors.ts';
import type { FindData } from '../../../base/file-holes.ts';
import { type FileStat, kindOf, type StatAt } from '../../../base/file-stat.ts';
import { checkRelativePath, printable } from '../../../base/safe-path.ts';
import type { Identity } from '../../../manifest/entry.ts';
import { identityOf, isSameVersion, unsettledMs } from './found-entry.ts';
import { splitPath } from './lookup.ts';
import { readData } from './read-data.ts';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Up to this size synchronous calls cost less than the thread pool. */
const SYNC_LIMIT_BYTES = 256 * 1024;
/** Small reads share slabs of this size, since a separate allocation costs more than the read. */
const SLAB_BYTES = 256 * 1024;
/** In which `st_blocks` counts, whatever the blocks of a file system are. */
const BYTES_OF_BLOCKS = 512;
/** How long directories stay open for the neighbours of the last file, in milliseconds. */
const CURSOR_MS = 250;

/** What reading files uses of the C library: the faster stat call, and what finds holes. */
export interface FileCalls {
  readonly statAt: StatAt | undefined;
  readonly findData?: FindData;
}

/** Reads files below a root. Close it; the root stays open. */
export class FileReader {
  readonly #cursor: DirectoryCursor;
  readonly #calls: () => FileCalls | undefined;
  readonly #load: () => Promise<FileCalls | undefined>;
  #timer: NodeJS.Timeout | undefined;
  #slab = Buffer.alloc(0);

  /** Borrows `root`. `calls` gives those of the C library, once they are loaded; `load` loads them. */
  constructor(
    root: Directory,
    calls: () => FileCalls | undefined = () => undefined,
    load: () => Promise<FileCalls | undefined> = async () => calls(),
  ) {
    this.#cursor = new DirectoryCursor(root);
    this.#calls = calls;
    this.#load = load;
  }

  /**
   * See `ContentStore.read`.
   *
   * @throws CairnError `source-changed`, `source-missing`, `source-unreadable`, `symlink-refused`
   */
  async *read(
    path: string,
    { from, to }: { from: number; to: number },
    identity: Identity | undefined,
  ): AsyncGenerator<Uint8Array> {
    checkRelativePath(path);
    const fd = this.#open(path, identity !== undefined);
    try {
      const before = await this.#settled(fd, path, { from, to }, identity);
      if (to - from <= SYNC_LIMIT_BYTES) {
        // One byte more than expected, so that a reader of the end of a file notices that the file has more.
        const isToEnd = to > from && BigInt(to) === before.size;
        const buffer = this.#allocate(to - from + (isToEnd ? 1 : 0));
        const bytes = readSmall(fd, path, { from, to }, buffer);
        // The last check comes before the bytes leave, so that no wrong piece ever leaves.
        checkAfter(path, before, this.#stat(fd));
        if (bytes.byteLength > 0) yield bytes;
        return;
      }
      let at = from;
      for await (const piece of readData(fd, { from, to }, await this.#findDataOf(fd))) {
        at += piece.byteLength;
        yield piece;
      }
      if (at < to) throw unsized(path, 'fewer');
      if (BigInt(to) === before.size) checkEnd(fd, path, to);
      checkAfter(path, before, this.#stat(fd));
    } catch (error) {
      throw readError(error, path);
    } finally {
      closeSync(fd);
    }
  }

  /** See `ContentStore.readNow`. */
  readNow(
    path: string,
    { from, to }: { from: number; to: number },
    identity: Identity,
    into: Uint8Array,
  ): boolean {
    if (to - from > SYNC_LIMIT_BYTES || into.byteLength <= to - from) return false;
    try {
      const fd = this.#open(checkRelativePath(path), true);
      try {
        const before = this.#stat(fd);
        checkBefore(path, before, to, identity);
        if (unsettledMs(before, Date.now()) > 0) return false;
        const isToEnd = BigInt(to) === before.size;
        readSmall(fd, path, { from, to }, into.subarray(0, to - from + (isToEnd ? 1 : 0)));
        checkAfter(path, before, this.#stat(fd));
        return true;
      } finally {
        closeSync(fd);
      }
    } catch {
      return false; // `read` meets with the same, and tells it
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#cursor.close();
  }

  /** The metadata of the file, once any later change will show in its times. */
  async #settled(
    fd: number,
    path: string,
    { from, to }: { from: number; to: number },
    identity: Identity | undefined,
  ): Promise<FileStat> {
    const found = this.#stat(fd);
    checkBefore(path, found, to, identity);
    const waitMs = to > from ? unsettledMs(found, Date.now()) : 0;
    if (waitMs === 0) return found;
    await sleep(waitMs);
    const settled = this.#stat(fd);
    checkBefore(path, settled, to, identity);
    return settled;
  }

  /** What finds the data of a file that has holes; undefined for one that has none, or where it cannot be told. */
  async #findDataOf(fd: number): Promise<FindData | undefined> {
    const { blocks, size } = fstatSync(fd);
    return blocks * BYTES_OF_BLOCKS < size ? (await this.#load())?.findData : undefined;
  }

  #stat(fd: number): FileStat {
    return this.#calls()?.statAt?.(fd, '') ?? fstatSync(fd, { bigint: true });
  }

  #allocate(lengthBytes: number): Buffer {
    if (lengthBytes > SLAB_BYTES / 4) return Buffer.allocUnsafeSlow(lengthBytes);
    if (this.#slab.byteLength < lengthBytes) this.#slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
    const bytes = this.#slab.subarray(0, Math.max(0, lengthBytes));
    this.#slab = this.#slab.subarray(bytes.byteLength);
    return bytes;
  }

  /** Opens the file in one turn of the event loop, in which no directory of the cursor can be closed. */
  #open(path: string, bound: boolean): number {
    // An open directory may have been moved away; a reader without a version wants the file that is at the path now.
    const reuse = bound && this.#timer !== undefined;
    if (!reuse) this.close();
    this.#timer ??= setTimeout(() => this.close(), CURSOR_MS).unref();
    try {
      return this.#openOnce(path);
    } catch (error) {
      // The scanned file was no symbolic link.
      if (bound && systemCodeOf(error) === 'ELOOP') throw changed(path);
      if (!reuse) throw readError(error, path);
    }
    this.close();
    return this.#open(path, bound);
  }

  #openOnce(path: string): number {
    const { parent, name } = splitPath(path);
    if (name === '') throw new CairnError('source-unreadable', 'the root is a directory, not a file');
    return this.#cursor.enter(parent).openFile(name, OPEN_FLAGS);
  }
}

function checkBefore(path: string, stat: FileStat, to: number, identity: Identity | undefined): void {
  if (identity !== undefined && identityOf(stat) !== identity) throw changed(path);
  if (kindOf(stat) !== 'file') {
    throw new CairnError('source-unreadable', `"${printable(path)}" is not a regular file`, {
      details: { path },
    });
  }
  if (BigInt(to) > stat.size) throw changed(path);
}

function checkAfter(path: string, before: FileStat, after: FileStat): void {
  // A replaced file has a link count of 0; its ctime has changed as well.
  if (!isSameVersion(before, after)) throw changed(path);
}

/** Reads the range to the start of a buffer, which may have room for one byte more. */
function readSmall(
  fd: number,
  path: string,
  { from, to }: { from: number; to: number },
  buffer: Uint8Array,
): Uint8Array {
  const wanted = to - from;
  let done = 0;
  while (done < wanted) {
    const bytesRead = readSync(fd, buffer, done, buffer.byteLength - done, from + done);
    if (bytesRead === 0) throw unsized(path, 'fewer');
    done += bytesRead;
  }
  if (done > wanted) throw unsized(path, 'more');
  return buffer.subarray(0, wanted);
}

function checkEnd(fd: number, path: string, sizeBytes: number): void {
  if (readSync(fd, new Uint8Array(1), 0, 1, sizeBytes) > 0) throw unsized(path, 'more');
}

function unsized(path: string, than: 'more' | 'fewer'): CairnError {
  const message = `"${printable(path)}" changed while it was being read: it has ${than} bytes than its size says`;
  return new CairnError('source-changed', message, { details: { path } });
}

function changed(path: string): CairnError {
  return new CairnError('source-changed', `"${printable(path)}" changed while it was being read`, {
    details: { path },
  });
}

const CODES: Readonly<Record<string, ErrorCode>> = {
  'ENOENT': 'source-missing',
  'ELOOP': 'symlink-refused',
  'ENXIO': 'source-unreadable',
  'not-found': 'source-missing',
  'storage-denied': 'source-unreadable',
  'storage-io': 'source-unreadable',
  'storage-unsupported': 'source-unreadable',
};

function readError(error: unknown, path: string): CairnError {
  const failure = storageError(error, `reading "${printable(path)}"`);
  const code = CODES[systemCodeOf(error) ?? ''] ?? CODES[failure.code];
  if (code === undefined) return failure;
  const message = code === 'source-missing' ? `"${printable(path)}" is no longer there` : failure.message;
  return new CairnError(code, message, { cause: error, details: { path } });
}
