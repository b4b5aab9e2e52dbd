/** Removes whatever is at a path. */
import { rm, unlink } from 'node:fs/promises';
import { storageError, systemCodeOf } from './errors.ts';
import { printable } from './safe-path.ts';

/** Removes `path` and all below it, if it exists; removes a symbolic link without following it. @throws CairnError */
export async function removeTree(path: string): Promise<void> {
  try {
    // Most of what is removed are files, and what Node walks through trees with takes a moment to load.
    if (!(await removeFile(path))) await rm(path, { recursive: true, force: true });
  } catch (error) {
    throw storageError(error, `removing "${printable(path)}"`);
  }
}

/** Removes a file or link, if it exists; false for what cannot be unlinked, as a directory. */
async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path);
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'ENOENT';
  }
}
