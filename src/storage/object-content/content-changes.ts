/** Changes of published objects without a transfer: entry by entry, each at once. */
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, checkRelativePath, printable } from '../../base/safe-path.ts';
import type { ObjectSource, ObjectStore } from '../objects/object-store.ts';
import {
  entriesBelow,
  entryBody,
  entryKey,
  findEntry,
  hasChildren,
  type KeptEntry,
  putDirectory,
  refuseObstacle,
} from './entry-objects.ts';

/** See `ContentStore.makeDirectory`. */
export async function makeDirectoryObject(
  objects: ObjectStore,
  path: string,
  { parents }: { readonly parents: boolean },
): Promise<void> {
  await checkPlace(objects, path);
  const there = await findEntry(objects, path);
  if (there !== undefined && (!parents || there.entry.type !== 'directory')) throw exists(path);
  for (const ancestor of ancestorsOf(path)) {
    if ((await findEntry(objects, ancestor)) !== undefined) continue;
    if (!parents) throw missing(ancestor);
    await putDirectory(objects, ancestor);
  }
  if (there === undefined) await putDirectory(objects, path);
}

/** See `ContentStore.remove`. */
export async function removeEntries(
  objects: ObjectStore,
  path: string,
  { recursive }: { readonly recursive: boolean },
): Promise<void> {
  await checkPlace(objects, path);
  if ((await findEntry(objects, path)) === undefined) throw missing(path);
  if (!recursive && (await hasChildren(objects, path))) {
    const message = `"${printable(path)}" is a directory that is not empty; --recursive removes it with everything in it`;
    throw new CairnError('is-directory', message, { details: { path } });
  }
  await removeWithAllBelow(objects, path);
}

async function removeWithAllBelow(objects: ObjectStore, path: string): Promise<void> {
  await removeAllBelow(objects, path);
  await objects.remove([entryKey(path)]);
}

/** Removes the entries below an entry, the lowest first, so that each one that a crash leaves can still be found. */
export async function removeAllBelow(objects: ObjectStore, path: string): Promise<void> {
  const keys: string[] = [];
  for await (const { key } of entriesBelow(objects, path)) keys.push(key);
  await objects.remove(keys.toReversed());
}

/** See `ContentStore.move`: copies the entries, and then removes them. */
export async function moveEntries(
  objects: ObjectStore,
  from: string,
  to: string,
  { replace }: { readonly replace: boolean },
): Promise<void> {
  for (const path of [from, to]) await checkPlace(objects, path);
  const source = await findEntry(objects, from);
  if (source === undefined) throw missing(from);
  if (to.startsWith(`${from}/`)) {
    throw new CairnError('usage', `"${printable(from)}" cannot be moved into itself`);
  }
  const parent = ancestorsOf(to).at(-1);
  if (parent !== undefined && (await findEntry(objects, parent)) === undefined) throw missing(parent);
  const there = await findEntry(objects, to);
  const isOther = (there?.entry.type === 'directory') !== (source.entry.type === 'directory');
  if (there !== undefined && (!replace || isOther || (await hasChildren(objects, to)))) throw exists(to);
  await copyTo(objects, source, to);
  for await (const below of entriesBelow(objects, from)) {
    await copyTo(objects, below, to + below.entry.path.slice(from.length));
  }
  await removeWithAllBelow(objects, from);
}

async function copyTo(objects: ObjectStore, kept: KeptEntry, path: string): Promise<void> {
  await objects.put(entryKey(path), entryBody({ ...kept.entry, path }, contentOf(objects, kept)));
}

/** The bytes of an entry, as it was when it was found. Throws `source-changed` where another entry has replaced it. */
export function contentOf(
  objects: ObjectStore,
  { key, contentOffset, entry, identity }: KeptEntry,
): ObjectSource {
  return {
    sizeBytes: entry.sizeBytes,
    open: async function* () {
      if (entry.sizeBytes === 0) return;
      const found = await objects.get(key, { from: contentOffset });
      if (found === undefined || found === 'unchanged') throw changed(entry.path);
      if (found.etag === identity) {
        yield* found.bytes;
        return;
      }
      await found.close();
      throw changed(entry.path);
    },
  };
}

const changed = (path: string): CairnError =>
  new CairnError('source-changed', `"${printable(path)}" changed while it was being read`);

async function checkPlace(objects: ObjectStore, path: string): Promise<void> {
  if (checkRelativePath(path) === '') throw new CairnError('path-reserved', 'the root itself stays as it is');
  await refuseObstacle(objects, path);
}

const exists = (path: string): CairnError =>
  new CairnError('already-exists', `"${printable(path)}" is there already`, { details: { path } });

const missing = (path: string): CairnError =>
  new CairnError('not-found', `there is nothing at "${printable(path)}"`, { details: { path } });
