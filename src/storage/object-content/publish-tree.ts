/** Publishing: every entry becomes one object, complete at once, out of the chunks that carried it. */
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
import { findConflicts } from './conflicts.ts';
import { contentOf, removeWithAllBelow } from './content-changes.ts';
import { entryBody, entryKey, findEntry, NO_BYTES, putDirectory } from './entry-objects.ts';
import { readStaged, type StagedChunk } from './staged-chunk.ts';

const PROGRESS_EVERY_ENTRIES = 100;

/** Staged chunks by their number. */
type Staged = ReadonlyMap<number, StagedChunk>;

/** What each entry needs on its way. */
interface Publishing {
  readonly objects: ObjectStore;
  readonly layout: Layout;
  readonly order: PublishOrder;
  readonly staged: Staged;
  readonly modes: ModeWishes | undefined;
}

/**
 * Publishes a tree from its chunks, which stay, so that an interrupted call can be made again.
 *
 * @throws CairnError `chunks-missing`; where nothing may be left out `is-directory`, `not-directory`, `symlink-refused`
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
  const giveWay = await findConflicts(objects, transfer, order, refused);
  checkChunks(layout, order, staged);
  refused.checkSomeLeft();
  for (const path of giveWay) await removeWithAllBelow(objects, path);
  for (const path of ancestorsOf(target)) await putDirectory(objects, path);
  const publishing = { objects, layout, order, staged, modes };
  for (const [index, entry] of numbered(manifest.entries)) {
    if (refused.has(index)) continue;
    try {
      await publishEntry(publishing, index, entry, joinPath(target, entry.path));
    } catch (error) {
      refused.refuse(index, error);
    }
    if ((index + 1) % PROGRESS_EVERY_ENTRIES === 0) order.onProgress?.(index + 1);
  }
  order.onProgress?.(manifest.entries.length);
}

/** Refuses to begin while a chunk is missing or short, unless all that it carries is left out. */
function checkChunks(layout: Layout, order: PublishOrder, staged: Staged): void {
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    if (staged.get(chunk)?.sizeBytes === layout.chunkLengthBytes(chunk)) continue;
    if (layout.carriesOnly(chunk, (index) => order.isExcluded(index))) continue;
    const details = { chunk };
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged, or not whole`, { details });
  }
}

/** `path` is that at which the entry is published; the mode depends on its path in the manifest. */
async function publishEntry(
  publishing: Publishing,
  index: number,
  entry: Entry,
  path: string,
): Promise<void> {
  const { objects, order, modes } = publishing;
  if (order.isExcluded(index)) return;
  const isReplacing = (order.existing ?? 'replaced') === 'replaced';
  if (order.isPresent(index)) {
    if (order.needsAttributes(index) && isReplacing) await setAttributes(publishing, entry, path);
    return;
  }
  const sizeBytes = entry.type === 'stream' ? (order.streamSizeBytes ?? 0) : entry.sizeBytes;
  const bytes = bytesOf(publishing, index, sizeBytes);
  if (!isReplacing) return addEntry(publishing, { ...entry, path }, bytes);
  const found = entry.type === 'directory' ? await findEntry(objects, path) : undefined;
  const mode = modeFor(entry, found?.entry.mode, AS_SENT, modes);
  await objects.put(entryKey(path), entryBody({ ...entry, path, mode }, bytes));
}

/** The bytes of an entry: chunks of its own one after the other, or its piece of a packed one. */
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

/** Puts an entry where nothing is, whatever happens there at this moment. @throws CairnError `destination-exists` */
async function addEntry({ objects, order }: Publishing, entry: Entry, bytes: ObjectSource): Promise<void> {
  const isRenamed = order.existing === 'renamed' && entry.type !== 'directory';
  const slash = entry.path.lastIndexOf('/') + 1;
  const name = entry.path.slice(slash);
  for (const each of isRenamed ? freshNames(name) : [name]) {
    const path = entry.path.slice(0, slash) + each;
    const body = entryBody({ ...entry, path }, bytes);
    if ((await objects.put(entryKey(path), body, { ifMatch: null })) !== undefined) return;
    if (await isSame(objects, entryKey(path), body)) return;
  }
  const found = await findEntry(objects, entry.path);
  if (entry.type !== 'directory' || found?.entry.type !== 'directory') throw destinationExists(entry.path);
}

/** An interrupted call that is made again finds what it has put there. */
async function isSame(objects: ObjectStore, key: string, body: ObjectSource): Promise<boolean> {
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

/** An object has nothing that could be changed alone: the same bytes are put again. */
async function setAttributes({ objects, modes }: Publishing, entry: Entry, path: string): Promise<void> {
  const found = await findEntry(objects, path);
  if (found === undefined) throw new CairnError('source-missing', `"${printable(path)}" is no longer there`);
  const mode = modeFor(entry, found.entry.mode, AS_SENT, modes);
  await objects.put(entryKey(path), entryBody({ ...entry, path, mode }, contentOf(objects, found)));
}
