/** Reading a file of this user's own that need not exist. */
import { constants, fstatSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { storageError, systemCodeOf } from './errors.ts';
import { refuseForeign } from './ownership.ts';
import { printable } from './safe-path.ts';

/**
 * The bytes of a file of this user's or root's, or undefined where there is none.
 *
 * @throws CairnError `owner-untrusted` for what somebody else may have written; storage codes
 */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  let handle: FileHandle | undefined;
  try {
    // Opening a pipe would wait for its other end.
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
