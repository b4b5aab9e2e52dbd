/** Removals: one rename takes away an object with its whole directory. */
import { rename, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { removeTree } from '../../../base/remove-tree.ts';
import { storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { syncIfThere } from './directory-sync.ts';
import { objectPath } from './key-names.ts';
import type { ObjectsPlace } from './place.ts';
import { drawNonce } from './version.ts';

/** Objects that are removed at the same time. */
const BATCH = 16;

/** See `ObjectStore.remove`; the keys are checked. */
export async function removeObjects(place: ObjectsPlace, keys: readonly string[]): Promise<void> {
  for (let first = 0; first < keys.length; first += BATCH) {
    const batch = keys.slice(first, first + BATCH);
    // oxlint-disable-next-line no-await-in-loop -- a bounded number at a time
    await removeBatch(place, batch);
  }
}

async function removeBatch(place: ObjectsPlace, keys: readonly string[]): Promise<void> {
  const taken = await Promise.all(keys.map((key) => takeAway(place, key)));
  const above = new Set(keys.map((key) => dirname(objectPath(place.keys, key))));
  try {
    await Promise.all(Array.from(above, syncIfThere));
  } catch (error) {
    throw storageError(error, `removing ${keys.length} objects`);
  }
  await Promise.all(taken.map((path) => removeTree(path)));
  await Promise.all(Array.from(above, (path) => removeEmpty(place, path)));
}

/** Moves an object into a draft, if it exists, and answers the draft's path. */
async function takeAway(place: ObjectsPlace, key: string): Promise<string> {
  const to = join(place.drafts, drawNonce());
  try {
    await rename(objectPath(place.keys, key), to);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT')
      throw storageError(error, `removing the object "${printable(key)}"`);
  }
  return to;
}

/** Removes a directory of keys and those above it while they are empty; a put there makes them again. */
async function removeEmpty(place: ObjectsPlace, path: string): Promise<void> {
  try {
    for (let at = path; at !== place.keys; at = dirname(at)) await rmdir(at);
  } catch {
    // It is not empty, or another node was faster; an empty one does no harm either.
  }
}
