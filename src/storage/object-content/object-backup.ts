/** Keeps published entries that are replaced or removed, under the same paths in another directory. */
import { ancestorsOf, joinPath } from '../../base/safe-path.ts';
import { freshNames } from '../fresh-names.ts';
import type { ObjectSource, ObjectStore } from '../objects/object-store.ts';
import { contentOf } from './content-changes.ts';
import { entryBody, entryKey, type KeptEntry, putDirectory } from './entry-objects.ts';

/**
 * Copies a file or link into a directory for backups; nothing for a directory, and without a backup.
 *
 * @param path relative to the target
 */
export async function keepObject(
  objects: ObjectStore,
  backup: string | undefined,
  path: string,
  kept: KeptEntry,
): Promise<void> {
  if (backup === undefined || kept.entry.type === 'directory') return;
  const wanted = joinPath(backup, path);
  for (const directory of ancestorsOf(wanted)) await putDirectory(objects, directory);
  const slash = wanted.lastIndexOf('/') + 1;
  for (const name of freshNames(wanted.slice(slash))) {
    const at = wanted.slice(0, slash) + name;
    const body = entryBody({ ...kept.entry, path: at }, contentOf(objects, kept));
    if ((await objects.put(entryKey(at), body, { ifMatch: null })) !== undefined) return;
    // An interrupted call may have made it.
    if (await isSameObject(objects, entryKey(at), body)) return;
  }
}

/** Whether an object has these bytes already, as after an interrupted call that is repeated. */
export async function isSameObject(objects: ObjectStore, key: string, body: ObjectSource): Promise<boolean> {
  const head = await objects.get(key, { to: 0 });
  if (head === undefined || head === 'unchanged' || head.sizeBytes !== body.sizeBytes) return false;
  let at = 0;
  for await (const piece of body.open()) {
    const there = await objects.get(key, { from: at, to: at + piece.byteLength });
    if (there === undefined || there === 'unchanged') return false;
    const pieces: Buffer[] = [];
    for await (const each of there.bytes) pieces.push(Buffer.from(each));
    if (there.etag !== head.etag || !Buffer.concat(pieces).equals(piece)) return false;
    at += piece.byteLength;
  }
  return true;
}
