/** Reads published files, bound to the version that was scanned. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { DirectoryCursor } from '../../base/directory-walk.ts';
import type { Directory } from '../../base/directory.ts';
import { CairnError, type ErrorCode, storageError, systemCodeOf } from '../../base/errors.ts';
import { checkRelativePath, printable } from '../../base/safe-path.ts';
import type { Identity } from '../../manifest/entry.ts';
import { identityOf } from './found-entry.ts';
import { splitPath } from './lookup.ts';
import { readPieces } from './read-pieces.ts';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Up to here synchronous calls cost less than a trip to the thread pool. */
const SYNC_LIMIT_BYTES = 256 * 1024;
/** How long directories stay open for the neighbours of the last file, in milliseconds. */
const CURSOR_MS = 250;

/** Reads files below a root. Close it; the root stays open. */
export class FileReader {
  readonly #cursor: DirectoryCursor;
  #timer: NodeJS.Timeout | undefined;

  /** Borrows `root`. */
  constructor(root: Directory) {
    this.#cursor = new DirectoryCursor(root);
  }

  /** See `ContentStore.read`. @throws CairnError `source-changed`, `source-missing`, `source-unreadable`, `symlink-refused` */
  async *read(
    path: string,
    { from, to }: { from: number; to: number },
    identity: Identity | undefined,
  ): AsyncGenerator<Uint8Array> {
    checkRelativePath(path);
    const fd = this.#open(path, identity !== undefined);
    try {
      const before = fstatSync(fd, { bigint: true });
      checkBefore(path, before, to, identity);
      if (to - from <= SYNC_LIMIT_BYTES) {
        const bytes = readSmall(fd, path, from, to - from);
        // The last look comes before the bytes are handed out: it is as good, and a wrong piece never leaves.
        checkAfter(fd, path, before);
        if (bytes.byteLength > 0) yield bytes;
        return;
      }
      let at = from;
      for await (const piece of readPieces(fd, from, to)) {
        at += piece.byteLength;
        yield piece;
      }
      if (at < to) throw changed(path);
      checkAfter(fd, path, before);
    } catch (error) {
      throw readError(error, path);
    } finally {
      closeSync(fd);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#cursor.close();
  }

  /** Opens in one go, with no turn of the event loop in which a directory of the cursor could be closed. */
  #open(path: string, bound: boolean): number {
    // A directory that is kept open may have been moved away; whoever names no version means what is there now.
    const reuse = bound && this.#timer !== undefined;
    if (!reuse) this.close();
    this.#timer ??= setTimeout(() => this.close(), CURSOR_MS).unref();
    try {
      return this.#openOnce(path);
    } catch (error) {
      // The file that was scanned was no symbolic link.
      if (bound && systemCodeOf(error) === 'ELOOP') throw changed(path);
      if (!reuse) throw readError(error, path);
    }
    this.close();
    return this.#open(path, bound);
  }

  #openOnce(path: string): number {
    const { parent, name } = splitPath(path);
    if (name === '') throw new CairnError('source-unreadable', 'the root is a directory, not a file');
    return openSync(this.#cursor.enter(parent).at(name), OPEN_FLAGS);
  }
}

function checkBefore(path: string, stat: BigIntStats, to: number, identity: Identity | undefined): void {
  if (identity !== undefined && identityOf(stat) !== identity) throw changed(path);
  if (!stat.isFile()) {
    throw new CairnError('source-unreadable', `"${printable(path)}" is not a regular file`, {
      details: { path },
    });
  }
  if (BigInt(to) > stat.size) throw changed(path);
}

function checkAfter(fd: number, path: string, before: BigIntStats): void {
  const after = fstatSync(fd, { bigint: true });
  // A link count of 0 is what a replaced file looks like from inside; its ctime has changed as well.
  if (identityOf(after) !== identityOf(before)) throw changed(path);
}

function readSmall(fd: number, path: string, from: number, length: number): Uint8Array {
  const buffer = Buffer.allocUnsafe(Math.max(0, length));
  for (let done = 0; done < buffer.byteLength;) {
    const bytesRead = readSync(fd, buffer, done, buffer.byteLength - done, from + done);
    if (bytesRead === 0) throw changed(path);
    done += bytesRead;
  }
  return buffer;
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
};

function readError(error: unknown, path: string): CairnError {
  const failure = storageError(error, `reading "${printable(path)}"`);
  const code = CODES[systemCodeOf(error) ?? ''] ?? CODES[failure.code];
  if (code === undefined) return failure;
  const message = code === 'source-missing' ? `"${printable(path)}" is no longer there` : failure.message;
  return new CairnError(code, message, { cause: error, details: { path } });
}
