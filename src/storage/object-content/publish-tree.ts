/** Publishing: every entry becomes one object, complete at once, out of its chunks. */
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, joinPath, printable } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { numbered } from '../../manifest/entry-table.ts';
import { createLayout, isStream, type Layout } from '../../manifest/layout.ts';
import { AS_SENT, modeFor, type ModeWishes } from '../../manifest/modes.ts';
import { destinationExists } from '../../transfer/destination-exists.ts';
import { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { IncomingTransfer, PublishOrder } from '../content-store.ts';
import { freshNames } from '../fresh-names.ts';
import type { ObjectSource, ObjectStore } from '../objects/object-store.ts';
import { conflict, findConflicts } from './conflicts.ts';
import { contentOf, removeAllBelow } from './content-changes.ts';
import {
  entryBody,
  entryKey,
  findEntry,
  hasChildren,
  type KeptEntry,
  NO_BYTES,
  putDirectory,
  tagOf,
} from './entry-objects.ts';
import { isAsListed } from '../../transfer/listed-entries.ts';
import { isSameObject, keepObject } from './object-backup.ts';
import { removeListedObjects } from './remove-objects-listed.ts';
import { readStaged, type StagedChunk } from './staged-chunk.ts';

const PROGRESS_EVERY_ENTRIES = 100;
/** Entries that are looked up before one `confirm` allows to change them. */
const CONFIRMED_AT_A_TIME = 16;
/** Tries, when other nodes replace an entry again and again while this one puts it. */
const MAX_TURNS = 100;

/** Staged chunks by their number. */
type Staged = ReadonlyMap<number, StagedChunk>;

/** The values that publishing an entry needs. */
interface Publishing {
  readonly objects: ObjectStore;
  readonly layout: Layout;
  readonly order: PublishOrder;
  readonly staged: Staged;
  readonly modes: ModeWishes | undefined;
}

/** An entry that is about to be published at a path; its mode depends on its path in the manifest. */
interface Waiting {
  readonly index: number;
  readonly entry: Entry;
  readonly path: string;
}

/**
 * Publishes a tree from its chunks, which stay, so that the caller can repeat an interrupted call.
 *
 * @throws CairnError `chunks-missing`; where no entry may be refused `is-directory`, `not-directory`, `symlink-refused`
 */
export async function publishTree(
  objects: ObjectStore,
  transfer: IncomingTransfer,
  order: PublishOrder,
  staged: Staged,
): Promise<void> {
  const { manifest, target, modes } = transfer;
  const layout = isStream(manifest)
    ? createLayout(manifest, { streamSizeBytes: order.streamSizeBytes ?? 0 })
    : transfer.layout;
  const refused = new RefusedEntries(manifest.entries, order.onRefused);
  const { giveWay, deferred } = await findConflicts(objects, transfer, order, refused);
  checkChunks(layout, order, staged);
  refused.checkSomeLeft();
  await order.confirm?.();
  // The entry itself is replaced by a put, so that no entry of the tree is ever removed.
  for (const path of giveWay) await removeAllBelow(objects, path);
  for (const path of ancestorsOf(target)) await putDirectory(objects, path);
  const publishing = { objects, layout, order, staged, modes };
  let batch: Waiting[] = [];
  const publishBatch = async (): Promise<void> => {
    const waiting = batch;
    batch = [];
    if (waiting.length === 0) return;
    const found = await Promise.all(waiting.map(({ path }) => findEntry(objects, path)));
    await order.confirm?.();
    for (const [at, each] of waiting.entries()) {
      if (refused.has(each.index)) continue;
      try {
        await publishEntry(publishing, each, found[at]);
      } catch (error) {
        refused.refuse(each.index, error);
      }
    }
  };
  for (const [index, entry] of numbered(manifest.entries)) {
    if (isToChange(order, index) && !refused.has(index) && !deferred.has(index)) {
      batch.push({ index, entry, path: joinPath(target, entry.path) });
    }
    if (batch.length === CONFIRMED_AT_A_TIME) await publishBatch();
    if ((index + 1) % PROGRESS_EVERY_ENTRIES === 0) order.onProgress?.(index + 1);
  }
  await publishBatch();
  await removeListedObjects(objects, target, order, refused);
  for (const index of deferred) {
    const entry = manifest.entries.at(index)!;
    const path = joinPath(target, entry.path);
    if (order.forceReplace === true) await removeAllBelow(objects, path);
    if (await hasChildren(objects, path)) refused.refuse(index, conflict(entry.type, 'directory', path));
    else batch.push({ index, entry, path });
    if (batch.length === CONFIRMED_AT_A_TIME) await publishBatch();
  }
  await publishBatch();
  order.onProgress?.(manifest.entries.length);
}

function isToChange(order: PublishOrder, index: number): boolean {
  if (order.isExcluded(index)) return false;
  const isReplacing = (order.existing ?? 'replaced') === 'replaced';
  return !order.isPresent(index) || (order.needsAttributes(index) && isReplacing);
}

/** Refuses to begin while a chunk is missing or short, unless it carries only excluded entries. */
function checkChunks(layout: Layout, order: PublishOrder, staged: Staged): void {
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    if (staged.get(chunk)?.sizeBytes === layout.chunkLengthBytes(chunk)) continue;
    if (layout.carriesOnly(chunk, (index) => order.isExcluded(index))) continue;
    const details = { chunk };
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged, or not whole`, { details });
  }
}

/** @param found the entry that was seen at its path */
async function publishEntry(
  publishing: Publishing,
  waiting: Waiting,
  found: KeptEntry | undefined,
): Promise<void> {
  const { order } = publishing;
  const { index, entry, path } = waiting;
  if (order.isPresent(index)) return putOver(publishing, waiting, found, withAttributes(publishing));
  const sizeBytes = entry.type === 'stream' ? (order.streamSizeBytes ?? 0) : entry.sizeBytes;
  const bytes = bytesOf(publishing, index, sizeBytes);
  if ((order.existing ?? 'replaced') !== 'replaced') return addEntry(publishing, { ...entry, path }, bytes);
  if (found !== undefined && !isAsListed(found.entry, { ...entry, sizeBytes, path }))
    await keepObject(publishing.objects, order.backup, entry.path, found);
  return putOver(publishing, waiting, found, () => bytes);
}

/**
 * Puts an entry in the place of the one that was seen there. Where that has changed, it looks and confirms again, so
 * that a put that comes late never undoes a put of the next publisher.
 */
async function putOver(
  { objects, order, modes }: Publishing,
  { entry, path }: Waiting,
  seen: KeptEntry | undefined,
  bytesFor: (found: KeptEntry | undefined, path: string) => ObjectSource,
): Promise<void> {
  let found = seen;
  for (let turn = 0; turn < MAX_TURNS; turn += 1) {
    const keepsMode = entry.type !== 'directory' || found?.entry.type === 'directory';
    const mode = modeFor(entry, keepsMode ? found?.entry.mode : undefined, AS_SENT, modes);
    const body = entryBody({ ...entry, path, mode }, bytesFor(found, path));
    if ((await objects.put(entryKey(path), body, { ifMatch: tagOf(found) })) !== undefined) return;
    found = await findEntry(objects, path);
    await order.confirm?.();
  }
  throw new CairnError(
    'server-busy',
    `"${printable(path)}" is replaced by others again and again; try again later`,
  );
}

/** The bytes of an entry: its own chunks one after the other, or its part of a packed one. */
function bytesOf({ objects, layout, staged }: Publishing, index: number, sizeBytes: number): ObjectSource {
  const { first, count } = layout.chunksOf(index);
  if (count === 0) return NO_BYTES;
  return {
    sizeBytes,
    open: async function* () {
      let left = sizeBytes;
      for (let chunk = first; chunk < first + count; chunk += 1) {
        const from = chunk === first ? layout.chunkOffsetOf(index) : 0;
        const to = Math.min(from + left, layout.chunkLengthBytes(chunk));
        yield* readStaged(objects, staged.get(chunk), chunk, { from, to });
        left -= to - from;
      }
    },
  };
}

/** Puts an entry only where there is none, atomically. @throws CairnError `destination-exists` */
async function addEntry({ objects, order }: Publishing, entry: Entry, bytes: ObjectSource): Promise<void> {
  const isRenamed = order.existing === 'renamed' && entry.type !== 'directory';
  const slash = entry.path.lastIndexOf('/') + 1;
  const name = entry.path.slice(slash);
  for (const each of isRenamed ? freshNames(name) : [name]) {
    const path = entry.path.slice(0, slash) + each;
    const body = entryBody({ ...entry, path }, bytes);
    if ((await objects.put(entryKey(path), body, { ifMatch: null })) !== undefined) return;
    if (await isSameObject(objects, entryKey(path), body)) return;
  }
  const found = await findEntry(objects, entry.path);
  if (entry.type !== 'directory' || found?.entry.type !== 'directory') throw destinationExists(entry.path);
}

/** Attributes of an object cannot change alone: gives the same bytes to put again. */
function withAttributes({
  objects,
}: Publishing): (found: KeptEntry | undefined, path: string) => ObjectSource {
  return (found, path) => {
    if (found !== undefined) return contentOf(objects, found);
    throw new CairnError('source-missing', `"${printable(path)}" is no longer there`);
  };
}
