/** Publishing in the in-memory store: every object complete before it is put, one after the other. */
import { posix } from 'node:path';
import { CairnError } from '../../../src/base/errors.ts';
import { joinPath, printable } from '../../../src/base/safe-path.ts';
import type { Entry, ScannedEntry } from '../../../src/manifest/entry.ts';
import { numbered } from '../../../src/manifest/entry-table.ts';
import { createLayout, isStream, type Layout } from '../../../src/manifest/layout.ts';
import { AS_SENT, modeFor, type ModeWishes } from '../../../src/manifest/modes.ts';
import type { IncomingTransfer, PublishOrder } from '../../../src/storage/content-store.ts';
import { destinationExists } from '../../../src/transfer/destination-exists.ts';
import { freshNames } from '../../../src/storage/fresh-names.ts';
import { RefusedEntries } from '../../../src/transfer/refused-entries.ts';
import type { MemoryBackend } from './memory-backend.ts';
import { ancestorsOf, contentKey, findEntry, findObstacle, metadataOf } from './memory-tree.ts';

const PROGRESS_EVERY_ENTRIES = 100;

/** The staged parts of a transfer, numbered like its chunks. */
export interface StagedParts {
  /** Bytes of each part that is there. */
  sizes(): Promise<ReadonlyMap<number, number>>;
  read(chunk: number): Promise<Buffer>;
}

/**
 * Publishes a tree from its parts. Parts stay, so that an interrupted call can be made again.
 *
 * @throws CairnError `chunks-missing`; where nothing may be left out `is-directory`, `not-directory`, `symlink-refused`
 */
export async function publishTree(
  backend: MemoryBackend,
  transfer: IncomingTransfer,
  order: PublishOrder,
  parts: StagedParts,
): Promise<void> {
  const { manifest, target, modes } = transfer;
  const layout = isStream(manifest)
    ? createLayout(manifest, { streamSizeBytes: order.streamSizeBytes ?? 0 })
    : transfer.layout;
  const refused = new RefusedEntries(manifest.entries, order.onRefused);
  const giveWay = await findConflicts(backend, transfer, order, refused);
  checkParts(layout, order, await parts.sizes());
  refused.checkSomeLeft();
  for (const key of giveWay) await backend.remove(key);
  await makeParents(backend, target);
  for (const [index, entry] of numbered(manifest.entries)) {
    if (refused.has(index)) continue;
    const to = { backend, layout, order, parts, modes };
    try {
      await publishEntry(to, index, entry, joinPath(target, entry.path));
    } catch (error) {
      refused.refuse(index, error);
    }
    if ((index + 1) % PROGRESS_EVERY_ENTRIES === 0) order.onProgress?.(index + 1);
  }
  order.onProgress?.(manifest.entries.length);
}

interface Publishing {
  readonly backend: MemoryBackend;
  readonly layout: Layout;
  readonly order: PublishOrder;
  readonly parts: StagedParts;
  readonly modes: ModeWishes | undefined;
}

async function publishEntry(to: Publishing, index: number, entry: Entry, path: string): Promise<void> {
  const { backend, order } = to;
  if (order.isExcluded(index)) return;
  if (order.isPresent(index)) {
    const isReplacing = (order.existing ?? 'replaced') === 'replaced';
    if (order.needsAttributes(index) && isReplacing) await setAttributes(to, entry, path);
    return;
  }
  const body = await bodyOf(to, index);
  if ((order.existing ?? 'replaced') !== 'replaced') return addEntry(to, entry, path, body);
  const found = entry.type === 'directory' ? await findEntry(backend, path) : undefined;
  const mode = modeFor(entry, found?.entry.mode, AS_SENT, to.modes);
  await backend.put(contentKey(path), body, metadataOf({ ...entry, mode }));
}

/** Puts an entry where nothing is, whatever happens there at this moment. @throws CairnError `destination-exists` */
async function addEntry(
  { backend, order }: Publishing,
  entry: Entry,
  path: string,
  body: Buffer,
): Promise<void> {
  const isRenamed = order.existing === 'renamed' && entry.type !== 'directory';
  const slash = path.lastIndexOf('/') + 1;
  const names = isRenamed ? freshNames(path.slice(slash)) : [path.slice(slash)];
  for (const name of names) {
    const key = contentKey(path.slice(0, slash) + name);
    if ((await backend.put(key, body, metadataOf(entry), { ifMatch: null })) !== undefined) return;
    if (await isSame(backend, key, entry, body)) return;
  }
  const found = await findEntry(backend, path);
  if (entry.type !== 'directory' || found?.entry.type !== 'directory') throw destinationExists(path);
}

/** The whole file: its own parts one after the other, or its piece of a packed one. */
async function bodyOf({ layout, parts }: Publishing, index: number): Promise<Buffer> {
  const { first, count } = layout.chunksOf(index);
  const pieces: Buffer[] = [];
  for (let chunk = first; chunk < first + count; chunk++) {
    const segment = [...layout.segmentsOf(chunk)].find(({ entryIndex }) => entryIndex === index)!;
    const part = await parts.read(chunk);
    pieces.push(part.subarray(segment.chunkOffset, segment.chunkOffset + segment.lengthBytes));
  }
  return Buffer.concat(pieces);
}

/** Objects have no metadata that could be changed alone: the same bytes are put again. */
async function setAttributes({ backend, modes }: Publishing, entry: Entry, path: string): Promise<void> {
  const object = await backend.get(contentKey(path));
  if (object === undefined && entry.type !== 'directory') {
    throw new CairnError('source-missing', `"${printable(path)}" is no longer there`);
  }
  const found = await findEntry(backend, path);
  const mode = modeFor(entry, found?.entry.mode, AS_SENT, modes);
  await backend.put(contentKey(path), object?.body ?? Buffer.alloc(0), metadataOf({ ...entry, mode }));
}

/** An interrupted call that is made again finds what it has put there. */
async function isSame(backend: MemoryBackend, key: string, entry: Entry, body: Buffer): Promise<boolean> {
  const there = await backend.get(key);
  const isOfEntry = JSON.stringify(there?.metadata) === JSON.stringify(metadataOf(entry));
  return there !== undefined && isOfEntry && body.equals(there.body);
}

async function makeParents(backend: MemoryBackend, target: string): Promise<void> {
  const mtimeNs = BigInt(Date.now()) * 1_000_000n;
  for (const path of ancestorsOf(target)) {
    const entry: Entry = { type: 'directory', path, sizeBytes: 0, mode: 0o755, mtimeNs, linkTarget: '' };
    await backend.put(contentKey(path), Buffer.alloc(0), metadataOf(entry), { ifMatch: null });
  }
}

/** Refuses to begin while a part is missing or short, unless all that it carries is left out. */
function checkParts(layout: Layout, order: PublishOrder, sizes: ReadonlyMap<number, number>): void {
  for (let chunk = 0; chunk < layout.chunkCount; chunk++) {
    if (sizes.get(chunk) === layout.chunkLengthBytes(chunk)) continue;
    if (layout.carriesOnly(chunk, (index) => order.isExcluded(index))) continue;
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged, or not whole`, {
      details: { chunk },
    });
  }
}

/**
 * Refuses what would lose a directory with all that is in it, and what is below something that is no directory. Answers
 * the keys of what gives way to an entry of another type.
 */
async function findConflicts(
  backend: MemoryBackend,
  { manifest, target }: IncomingTransfer,
  order: PublishOrder,
  refused: RefusedEntries,
): Promise<string[]> {
  const giveWay: string[] = [];
  const willBe = new Set<string>();
  for (const [index, entry] of numbered(manifest.entries)) {
    if (order.isExcluded(index) || refused.has(index)) continue;
    const path = joinPath(target, entry.path);
    try {
      const obstacle = await obstacleOf(backend, path, willBe);
      if (obstacle !== undefined) throw conflict('not-directory', 'directory', obstacle);
      const found = await findEntry(backend, path);
      const isDirectory = entry.type === 'directory';
      if (isDirectory) willBe.add(path);
      if (found === undefined || isDirectory === (found.entry.type === 'directory')) continue;
      // What is there stays, and shows when the entry is put there.
      if ((order.existing ?? 'replaced') !== 'replaced') continue;
      if (isDirectory && (await isLinkToDirectory(backend, found.entry))) {
        if (order.forceReplace !== true) throw linkInTheWay(path);
        giveWay.push(contentKey(path));
        continue;
      }
      const below = await backend.list(`${contentKey(path)}/`);
      if (below.length > 0 && order.forceReplace !== true) throw conflict('is-directory', entry.type, found);
      giveWay.push(contentKey(path), ...below.map(({ key }) => key));
    } catch (error) {
      refused.refuse(index, error);
    }
  }
  return giveWay;
}

async function isLinkToDirectory(
  backend: MemoryBackend,
  { type, path, linkTarget }: Entry,
): Promise<boolean> {
  if (type !== 'symlink' || linkTarget.startsWith('/')) return false;
  const to = posix.join(posix.dirname(path), linkTarget);
  return (await findEntry(backend, to === '.' ? '' : to))?.entry.type === 'directory';
}

function linkInTheWay(path: string): CairnError {
  const message = `the transfer has a directory where the target has a symlink to one: "${printable(path)}"; it is not followed`;
  return new CairnError('symlink-refused', message, { details: { path } });
}

/** What is above a path and no directory, unless the transfer puts a directory in its place. */
async function obstacleOf(
  backend: MemoryBackend,
  path: string,
  willBe: ReadonlySet<string>,
): Promise<ScannedEntry | undefined> {
  if (ancestorsOf(path).some((ancestor) => willBe.has(ancestor))) return undefined;
  return findObstacle(backend, path);
}

function conflict(
  code: 'is-directory' | 'not-directory',
  wanted: Entry['type'],
  { entry }: ScannedEntry,
): CairnError {
  const path = printable(entry.path);
  const message = `the transfer has a ${wanted} where the target has a ${entry.type}: "${path}"; move it away, or replace it with all that is in it by --force-replace`;
  return new CairnError(code, message, { details: { path, wanted, there: entry.type } });
}
