/** Reading a file that need not exist. */
import { readFile } from 'node:fs/promises';
import { storageError, systemCodeOf } from './errors.ts';

/** The bytes of a file, or undefined where there is none. @throws CairnError with a storage code */
export async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading "${path}"`);
  }
}
