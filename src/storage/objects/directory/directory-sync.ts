/** Makes directories durable that another node may remove at any time. */
import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { isNoSyncOfDirectories, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';

/** Opens a directory; undefined where there is none. Throws system errors. */
export async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes the names in an open directory durable, even after a move. @throws CairnError storage codes */
export async function syncNames(handle: FileHandle, path: string): Promise<void> {
  try {
    await handle.sync();
  } catch (error) {
    if (!isNoSyncOfDirectories(error)) throw storageError(error, `syncing "${printable(path)}"`);
  }
}

/** The same by a path. A directory that is gone was empty by then, so that it had no names to make durable. */
export async function syncIfThere(path: string): Promise<void> {
  const handle = await openIfThere(path);
  try {
    if (handle !== undefined) await syncNames(handle, path);
  } finally {
    await handle?.close();
  }
}

/** Removes a file; does nothing where another node was faster. Throws system errors. */
export async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}
