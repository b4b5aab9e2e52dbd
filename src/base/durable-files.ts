/**
 * The one owner of writing in full, of rename and of datasync. A failed sync is never tried again on the same
 * descriptor: the kernel may have dropped the pages and would answer "done" (see "fsyncgate", 2018).
 */
import { randomBytes } from 'node:crypto';
import { constants, type Stats, writeSync } from 'node:fs';
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  stat as followStat,
  unlink,
} from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { openDirectory } from './directory.ts';
import { CairnError, isNoSyncOfDirectories, storageError, systemCodeOf } from './errors.ts';
import { refuseUnclaimed } from './ownership.ts';
import { printable } from './safe-path.ts';

/** Buffers in one writev; Linux takes at most 1024 (IOV_MAX). */
const MAX_VECTORS = 1024;

/** The error of a write that takes nothing and names no reason. */
export function nothingWritten(position: number): CairnError {
  // Another round would loop for ever.
  return new CairnError(
    'storage-io',
    `the file system took no byte at offset ${position}, without naming a reason`,
  );
}

/**
 * Writes all `buffers` from byte `position` on, however few bytes the system takes at a time; answers the number of
 * bytes. System errors pass through unchanged: the caller knows the file's name and wraps them with storageError.
 *
 * @throws CairnError `storage-io` when a write takes no byte
 */
export async function writeFully(
  handle: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<number> {
  let pending = buffers.filter((buffer) => buffer.byteLength > 0);
  let at = position;
  while (pending.length > 0) {
    const { bytesWritten } = await handle.writev(pending.slice(0, MAX_VECTORS), at);
    if (bytesWritten === 0) throw nothingWritten(at);
    at += bytesWritten;
    pending = dropBytes(pending, bytesWritten);
  }
  return at - position;
}

function dropBytes(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let index = 0;
  for (let first = buffers[index]; first !== undefined && left >= first.byteLength; first = buffers[index]) {
    left -= first.byteLength;
    index += 1;
  }
  const rest = buffers.slice(index);
  if (rest[0] !== undefined && left > 0) rest[0] = rest[0].subarray(left);
  return rest;
}

/** Like {@link writeFully}, at once and for one buffer. @throws system errors; CairnError `storage-io` */
export function writeFullySync(fd: number, buffer: Uint8Array, position: number): number {
  let done = 0;
  while (done < buffer.byteLength) {
    const written = writeSync(fd, buffer, done, buffer.byteLength - done, position + done);
    if (written === 0) throw nothingWritten(position + done);
    done += written;
  }
  return done;
}

/** Makes the bytes of an open file durable (fdatasync). `name` is for the message. @throws CairnError, storage codes */
export async function syncHandle(handle: FileHandle, name: string): Promise<void> {
  try {
    await handle.datasync();
  } catch (error) {
    throw storageError(error, `syncing "${printable(name)}"`);
  }
}

/** Makes the names in the directory at `path` durable (fsync). @throws CairnError, storage codes */
export async function syncDirectory(path: string): Promise<void> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    // A directory that this user may search and not read cannot be synced either.
    if (isNoSyncOfDirectories(error) || systemCodeOf(error) === 'EACCES') return;
    throw storageError(error, `syncing the directory "${printable(path)}"`);
  }
}

/**
 * Puts `bytes` at `path`, so that after any crash the old file or the new one is there, whole; durable on return.
 * The parent directory must exist. `mode` is set regardless of the umask.
 *
 * @throws CairnError with a storage code; the old file is then untouched, or the new one is there but may not survive
 * a power cut
 */
export async function replaceFileDurably(
  path: string,
  bytes: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.cairn-${randomBytes(9).toString('hex')}.tmp`);
  try {
    await writeNewFile(temporary, typeof bytes === 'string' ? Buffer.from(bytes) : bytes, mode);
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw storageError(error, `writing "${printable(path)}"`);
  }
  await syncDirectory(directory);
}

/**
 * Makes a new file at `path`, durable on return and with `mode` regardless of the umask. Where the write fails it
 * leaves no file; it never touches a file that was there.
 *
 * @throws CairnError `usage` where the path is taken; storage codes
 */
export async function createFileDurably(path: string, bytes: string, mode = 0o600): Promise<void> {
  const shown = printable(path);
  try {
    await writeNewFile(path, Buffer.from(bytes), mode);
  } catch (error) {
    if (systemCodeOf(error) !== 'EEXIST') throw storageError(error, `writing "${shown}"`);
    const message = `"${shown}" exists already and is not replaced; name a new file`;
    throw new CairnError('usage', message, { cause: error });
  }
  await syncDirectory(dirname(path));
}

/** Makes a new file with durable bytes; where that fails, removes it, but never a file that it has not made. */
async function writeNewFile(path: string, bytes: Uint8Array, mode: number): Promise<void> {
  const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode);
  try {
    await handle.chmod(mode);
    await writeFully(handle, [bytes], 0);
    await handle.datasync();
  } catch (error) {
    await unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await handle.close();
  }
}

const TEMPORARY_NAME = /^\.cairn-[0-9a-f]+\.tmp$/;

/**
 * Removes the temporary files that killed processes left in `directory` (see {@link replaceFileDurably}), if it exists.
 * Takes only files older than `olderThanMs`, since another process may be writing its own; 0 is for a sole user.
 *
 * @throws CairnError with a storage code
 */
export async function removeTemporaries(directory: string, olderThanMs: number): Promise<void> {
  try {
    const names = (await readdir(directory)).filter((name) => TEMPORARY_NAME.test(name));
    for (const name of names) {
      const path = join(directory, name);
      const isYoung = olderThanMs > 0 && Date.now() - (await lstat(path)).mtimeMs < olderThanMs;
      if (!isYoung) await unlink(path);
    }
  } catch (error) {
    // The directory does not exist, or the process that wrote the file has finished meanwhile.
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `tidying "${printable(directory)}"`);
  }
}

/** Removes the file at `path`, if it exists, durably. @throws CairnError with a storage code */
export async function removeFileDurably(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return;
    throw storageError(error, `removing "${printable(path)}"`);
  }
  await syncDirectory(dirname(path));
}

/** Refuses a symbolic link at `path`, which would redirect writes. @throws CairnError `symlink-refused` */
export async function refuseLink(path: string): Promise<void> {
  let stat: Stats;
  try {
    stat = await lstat(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
  if (!stat.isSymbolicLink()) return;
  throw new CairnError(
    'symlink-refused',
    `"${printable(path)}" is a symbolic link; put a directory in its place`,
  );
}

/**
 * Makes the directory `path` and missing parents, for the owner only (0700), durably. An existing one
 * has to be this user's own, and loses the rights of other users.
 *
 * @throws CairnError `owner-untrusted` for one of another user, or that all users share; `not-directory`, storage codes
 */
export async function makePrivateDirectory(path: string): Promise<void> {
  await makeDirectory(path, 0o700);
  const directory = openDirectory(path);
  try {
    refuseUnclaimed(directory);
  } finally {
    directory.close();
  }
}

/**
 * Makes an absolute path and missing parents; answers the first directory that it made, or undefined. Node's own
 * recursive mkdir says ENOENT on a read-only file system, and never ends below /proc.
 */
async function makeMissing(path: string, mode: number): Promise<string | undefined> {
  try {
    return (await makeOne(path, mode)) ? path : undefined;
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const first = await makeMissing(dirname(path), mode);
  // Another process may have been faster; below /proc the parent exists, and this throws ENOENT again.
  await makeOne(path, mode);
  return first ?? path;
}

/** Makes a directory; false where it exists. @throws the other errors of mkdir */
async function makeOne(path: string, mode: number): Promise<boolean> {
  for (;;) {
    try {
      await mkdir(path, { mode });
      return true;
    } catch (error) {
      // One look only: another process may make and remove it again and again.
      const there = await lstat(path).catch(() => undefined);
      if (there?.isDirectory() === true || (there !== undefined && (await isDirectory(path)))) return false;
      if (systemCodeOf(error) !== 'EEXIST' || there !== undefined) throw error;
    }
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await followStat(path)).isDirectory();
  } catch {
    return false; // the error of mkdir says why
  }
}

/**
 * Makes the directory `path` and missing parents, durably; the umask narrows `mode`.
 *
 * @throws CairnError `not-directory`, storage codes
 */
export async function makeDirectory(path: string, mode = 0o777): Promise<void> {
  let first: string | undefined;
  try {
    first = await makeMissing(resolve(path), mode);
  } catch (error) {
    const shown = printable(path);
    if (systemCodeOf(error) !== 'EEXIST') throw storageError(error, `making the directory "${shown}"`);
    throw new CairnError('not-directory', `"${shown}" is in the way: it is not a directory`, {
      cause: error,
    });
  }
  if (first === undefined) return;
  const top = dirname(first);
  for (let parent = dirname(resolve(path)); ; parent = dirname(parent)) {
    await syncDirectory(parent);
    if (parent === top || parent === dirname(parent)) return;
  }
}
