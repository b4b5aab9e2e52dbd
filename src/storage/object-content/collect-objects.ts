/**
 * Frees objects that neither the published tree nor an open staging area needs: those of ended sessions that published
 * nothing or whose files were replaced, and pages of older trees. An object is first condemned, and freed when it has
 * been so for an hour, since a reader of an older tree may still use it.
 */
import { randomBytes } from 'node:crypto';
import { PACK_BYTES } from '../entry-tree/page-writer.ts';
import { findNeeded, type NeededObjects } from '../entry-tree/walk-pages.ts';
import { bytesOfObject } from '../objects/object-body.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { compactContent } from './compact-content.ts';
import { listStagingAreas, markOf } from './object-staging.ts';
import type { PublishedTree } from './published-tree.ts';

/** Content and pages: `c/SESSION/NUMBER/…`. */
export const CONTENT = 'c/';
/** Lists of condemned keys. */
const CONDEMNED = 'g/';
const KEYS_OF_LIST = 10_000;
const REMOVE_BATCH = 1000;
/** Bytes that one run copies at most out of objects that are half dead. */
const COMPACTED_BYTES = 256 * 1024 * 1024;
/** Objects with pages that a tree may have beside those that its bytes fill; more make it slow to read. */
const SPARE_PAGE_OBJECTS = 16;

/** Makes the function `ContentStore.collect` of a store. */
export function createObjectCollector(
  tree: PublishedTree,
  keepUnusedMs: number,
): (isStopped: () => boolean) => Promise<number> {
  let nextAtMs = -Infinity;
  return async (isStopped) => {
    // It goes through the whole tree, and what it finds is not freed sooner if it looks more often.
    if (performance.now() < nextAtMs) return 0;
    nextAtMs = performance.now() + keepUnusedMs / 2;
    const { freed, condemned } = await freeCondemned(tree.objects, keepUnusedMs);
    if (!isStopped()) await condemn(tree, condemned, isStopped);
    return freed;
  };
}

/** Frees what has been condemned for long enough. Answers the number, and what is still condemned. */
async function freeCondemned(
  objects: ObjectStore,
  keepUnusedMs: number,
): Promise<{ readonly freed: number; readonly condemned: ReadonlySet<string> }> {
  const condemned = new Set<string>();
  let freed = 0;
  const nowMs = await objects.now();
  for await (const { key, modifiedAtMs } of objects.list(CONDEMNED)) {
    const found = await objects.get(key);
    if (found === undefined || found === 'unchanged') continue;
    const keys = (await bytesOfObject(found)).toString().split('\n');
    if (nowMs - modifiedAtMs < keepUnusedMs) {
      for (const each of keys) condemned.add(each);
      continue;
    }
    for (let from = 0; from < keys.length; from += REMOVE_BATCH) {
      await objects.remove(keys.slice(from, from + REMOVE_BATCH));
    }
    // Last: after a crash the same keys are removed again.
    await objects.remove([key]);
    freed += keys.length;
  }
  return { freed, condemned };
}

/**
 * Condemns what nothing needs. The order makes it safe: first the objects of ended areas are listed, then the root is
 * changed, so that whoever publishes afterwards has looked at a later root, and at its own area after that; and only then
 * the objects of that root are marked.
 */
async function condemn(
  tree: PublishedTree,
  condemned: ReadonlySet<string>,
  isStopped: () => boolean,
): Promise<void> {
  const { objects } = tree;
  const candidates = new Map<string, number>();
  for await (const { key, sizeBytes } of objects.list(CONTENT)) {
    if (!condemned.has(key)) candidates.set(key, sizeBytes);
    if (isStopped()) return;
  }
  const isEnded = await findEndedAreas(objects);
  for (const key of candidates.keys()) if (!(await isEnded(key))) candidates.delete(key);
  if (candidates.size === 0) return;
  const root = await tree.fence();
  const needed = await findNeeded(tree.pages(), root.tree, isStopped);
  if (needed === undefined) return;
  const isNeeded = (key: string): boolean => needed.content.has(key) || needed.pageKeys.has(key);
  const unused = Array.from(candidates.keys()).filter((key) => !isNeeded(key));
  for (let from = 0; from < unused.length; from += KEYS_OF_LIST) {
    const text = unused.slice(from, from + KEYS_OF_LIST).join('\n');
    await objects.put(`${CONDEMNED}${randomBytes(12).toString('hex')}`, Buffer.from(text));
  }
  if (isScattered(needed) && !isStopped()) await tree.gather();
  if (!isStopped()) await compactContent(tree, halfDead(candidates, needed));
}

/**
 * Tells whether the area that an object belongs to has ended. To be made after the object was listed: an area has its
 * mark before it has objects.
 */
export async function findEndedAreas(objects: ObjectStore): Promise<(key: string) => Promise<boolean>> {
  const there = new Set(await listStagingAreas(objects));
  const marks = new Map<string, string | undefined>();
  return async (key) => {
    const [, id = '', number = ''] = key.split('/');
    if (!there.has(id)) return true;
    if (!marks.has(id)) marks.set(id, await markOf(objects, id));
    return marks.get(id) !== number;
  };
}

/** Whether pages lie in many more objects than they need, as after many small changes. */
function isScattered({ pageKeys, pageBytes }: NeededObjects): boolean {
  return pageKeys.size > SPARE_PAGE_OBJECTS + (2 * pageBytes) / PACK_BYTES;
}

/** Objects of which less than half is needed, and which may be freed once that lies elsewhere; a bounded number of bytes. */
function halfDead(candidates: ReadonlyMap<string, number>, { content }: NeededObjects): ReadonlySet<string> {
  const keys = new Set<string>();
  let copiedBytes = 0;
  for (const [key, sizeBytes] of candidates) {
    const neededBytes = content.get(key) ?? 0;
    if (neededBytes === 0 || neededBytes * 2 >= sizeBytes) continue;
    copiedBytes += neededBytes;
    if (copiedBytes > COMPACTED_BYTES) break;
    keys.add(key);
  }
  return keys;
}
