/** Reads files of this user's own. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { storageError, systemCodeOf } from './errors.ts';
import { refuseForeign } from './ownership.ts';
import { printable } from './safe-path.ts';

/**
 * The bytes of a file of this user's or root's, or undefined where it does not exist.
 *
 * @throws CairnError `owner-untrusted` for a file that another user may have written; storage codes
 */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  let handle: FileHandle | undefined;
  try {
    // Without O_NONBLOCK, opening a FIFO would wait for its other end.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    refuseForeign(fstatSync(handle.fd), path);
    return await handle.readFile();
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading "${printable(path)}"`);
  } finally {
    await handle?.close();
  }
}

/**
 * The text of a file of this user's or root's, read synchronously.
 *
 * @throws CairnError `owner-untrusted` for a file that another user may have written; system errors
 */
export function readOwnSync(path: string): string {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    refuseForeign(fstatSync(fd), path);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}
