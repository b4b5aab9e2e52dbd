/** Checks a directory on a local disk for a monitor of a server: whether it can be written, and has room. */
import { randomBytes } from 'node:crypto';
import { access, constants, open, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError, systemCodeOf } from '../../../base/errors.ts';

/** The magic number of a file system in memory (Linux, statfs(2)). */
const TMPFS_MAGIC = 0x0102_1994;

/** Bytes that an ordinary user can still write below a directory. @throws CairnError, storage codes */
export async function freeBytesAt(directory: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(directory);
    return bavail * bsize;
  } catch (error) {
    throw storageError(error, 'asking for the free space');
  }
}

/** Whether a restart of the machine empties a directory. @throws CairnError, storage codes */
export async function isInMemory(directory: string): Promise<boolean> {
  try {
    return (await statfs(directory)).type === TMPFS_MAGIC;
  } catch (error) {
    throw storageError(error, 'asking for the file system');
  }
}

/**
 * Makes sure that `directory` can be written: makes and removes a file in `scratch`, where that exists. The file has
 * the name of other temporary files, so that the leftover of a killed process is removed like theirs.
 *
 * @throws CairnError, storage codes
 */
export async function checkWritable(directory: string, scratch: string = directory): Promise<void> {
  try {
    await access(directory, constants.W_OK | constants.X_OK);
    await writeAndRemove(join(scratch, `.cairn-${randomBytes(9).toString('hex')}.tmp`));
  } catch (error) {
    throw storageError(error, 'trying to write');
  }
}

/** A place that a server writes to; see {@link checkWritable} for `scratch`. */
export function storagePlace(
  name: string,
  directory: string,
  scratch?: string,
): { name: string; checkWritable: () => Promise<void>; freeBytes: () => Promise<number> } {
  return {
    name,
    checkWritable: () => checkWritable(directory, scratch),
    freeBytes: () => freeBytesAt(directory),
  };
}

async function writeAndRemove(path: string): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const handle = await open(path, flags, 0o600).catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return undefined; // no transfer has staged a chunk here
    throw error;
  });
  if (handle === undefined) return;
  try {
    await handle.write('cairn');
  } finally {
    await handle.close();
    await unlink(path);
  }
}
