/** A directory on a local disk as a monitor of a server sees it: can it be written, and is there room? */
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

/** Whether what is in a directory is gone after a restart of the machine. @throws CairnError, storage codes */
export async function isInMemory(directory: string): Promise<boolean> {
  try {
    return (await statfs(directory)).type === TMPFS_MAGIC;
  } catch (error) {
    throw storageError(error, 'asking for the file system');
  }
}

/**
 * Makes sure that `directory` can be written: by a file that comes and goes in `scratch`, where that is there. The name
 * is that of other temporary files, so that what a killed process leaves of it is removed as theirs is.
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
    if (systemCodeOf(error) === 'ENOENT') return undefined; // nothing was ever staged here
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
