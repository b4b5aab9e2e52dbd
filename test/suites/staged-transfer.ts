/** Trees in memory, and how the suites bring them into a content store through its own interface. */
import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { comparePaths } from '../../src/base/safe-path.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, type HasherFactory } from '../../src/manifest/digest.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { createLayout, isStream, type Layout } from '../../src/manifest/layout.ts';
import { createManifest, type Manifest } from '../../src/manifest/manifest.ts';
import { receiveChunk, sendChunk } from '../../src/transfer/chunk-transfer.ts';
import type {
  ChunkStaging,
  ContentStore,
  PublishOrder,
  StagingArea,
} from '../../src/storage/content-store.ts';

/** A store under test; `reopen` gives what a restarted process would see. */
export interface StorePlace {
  readonly store: ContentStore;
  reopen(): Promise<ContentStore>;
  cleanup(): Promise<void>;
}

/** Makes a new, empty store. */
export type MakeStore = () => Promise<StorePlace>;

/** Opens a place that goes with the test. */
export async function openPlace(makeStore: MakeStore): Promise<StorePlace> {
  const place = await makeStore();
  onTestFinished(() => place.cleanup());
  return place;
}

const hashers = { xxh64: await loadHasher('xxh64'), sha256: await loadHasher('sha256') };

/** What a tree is made of. */
export interface Item {
  readonly entry: Entry;
  readonly bytes: Buffer;
}

type Attributes = Partial<Pick<Entry, 'mode' | 'mtimeNs'>>;

/** Whole microseconds: the finest that a local disk can be told through Node. */
const MTIME_NS = 1_600_000_000_123_456_000n;

/** Bytes that look random and are the same for the same seed. */
export function noise(sizeBytes: number, seed: string): Buffer {
  return createHash('shake128', { outputLength: sizeBytes }).update(seed).digest();
}

/** A file; a number stands for that many bytes. */
export function file(path: string, content: string | number, attributes: Attributes = {}): Item {
  const bytes = typeof content === 'number' ? noise(content, path) : Buffer.from(content);
  return {
    bytes,
    entry: {
      type: 'file',
      path,
      sizeBytes: bytes.length,
      mode: 0o644,
      mtimeNs: MTIME_NS,
      linkTarget: '',
      ...attributes,
    },
  };
}

/** A directory. */
export function directory(path: string, attributes: Attributes = {}): Item {
  const entry: Entry = {
    type: 'directory',
    path,
    sizeBytes: 0,
    mode: 0o755,
    mtimeNs: MTIME_NS,
    linkTarget: '',
  };
  return { entry: { ...entry, ...attributes }, bytes: Buffer.alloc(0) };
}

/** A symlink. */
export function symlink(path: string, linkTarget: string): Item {
  return {
    entry: { type: 'symlink', path, sizeBytes: 0, mode: 0, mtimeNs: MTIME_NS, linkTarget },
    bytes: Buffer.alloc(0),
  };
}

/** A stream that will have these bytes. */
export function stream(bytes: Buffer): Item {
  return {
    bytes,
    entry: { type: 'stream', path: '', sizeBytes: 0, mode: 0o600, mtimeNs: MTIME_NS, linkTarget: '' },
  };
}

/** A transfer whose bytes are in memory. */
export interface SampleTransfer {
  readonly manifest: Manifest;
  readonly layout: Layout;
  readonly target: string;
  readonly items: readonly Item[];
  readonly createHasher: HasherFactory;
}

/** The smallest chunk size that a store takes. */
export function chunkSizeOf(store: ContentStore): number {
  return Math.max(64 * 1024, store.properties.chunkSizeBytes.min);
}

/** A transfer of `items` to `target`, chunked as small as the store takes it. */
export function transferOf(
  store: ContentStore,
  target: string,
  items: readonly Item[],
  options: { digest?: 'xxh64' | 'sha256'; isPresent?: (index: number) => boolean } = {},
): SampleTransfer {
  const { digest = 'xxh64', isPresent = () => false } = options;
  const sorted = items.toSorted((a, b) => comparePaths(a.entry.path, b.entry.path));
  const parameters = { chunkSizeBytes: chunkSizeOf(store), digest };
  const manifest = createManifest(
    parameters,
    sorted.map(({ entry }) => entry),
  );
  const layout = createLayout(manifest, { isPresent });
  return { manifest, layout, target, items: sorted, createHasher: hashers[digest] };
}

/** Number of chunks that a transfer really has, also that of a stream. */
export function chunkCountOf({ manifest, layout, items }: SampleTransfer): number {
  if (!isStream(manifest)) return layout.chunkCount;
  return Math.ceil(items[0]!.bytes.length / manifest.chunkSizeBytes);
}

/** The bytes of one chunk. */
export function chunkBytes(transfer: SampleTransfer, chunk: number): Buffer {
  const parts = Array.from(transfer.layout.segmentsOf(chunk), ({ entryIndex, entryOffset, lengthBytes }) =>
    transfer.items[entryIndex]!.bytes.subarray(entryOffset, entryOffset + lengthBytes),
  );
  return Buffer.concat(parts);
}

/** The digest of some bytes, as the transfer makes it. */
export function digestOf(transfer: SampleTransfer, bytes: Uint8Array): Uint8Array {
  const hasher = transfer.createHasher();
  hasher.update(bytes);
  return hasher.digest();
}

/** What the receiver expects of a chunk. */
export function expectedChunk(transfer: SampleTransfer, chunk: number, offset = 0) {
  return {
    chunk,
    offset,
    lengthBytes: chunkBytes(transfer, chunk).length,
    digestLengthBytes: DIGEST_LENGTH_BYTES[transfer.manifest.digest],
    createHasher: transfer.createHasher,
  };
}

/** Bytes in pieces as a network would cut them. */
export async function* inPieces(bytes: Uint8Array, pieceBytes = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes)
    yield Buffer.from(bytes.subarray(at, at + pieceBytes));
}

/** Sends one chunk whole, from the offset that the staging holds. */
export async function stageChunk(
  staging: ChunkStaging,
  transfer: SampleTransfer,
  chunk: number,
): Promise<void> {
  const offset = staging.partialChunks().get(chunk) ?? 0;
  const source = sendChunk(
    [{ entryIndex: 0, entryOffset: 0, chunkOffset: 0, lengthBytes: 0 }],
    () => inPieces(chunkBytes(transfer, chunk)),
    { createHasher: transfer.createHasher, offset, onDigest: () => {} },
  );
  await receiveChunk(source, staging, expectedChunk(transfer, chunk, offset));
}

/** Sends every chunk that is not there, and syncs. */
export async function stageAll(staging: ChunkStaging, transfer: SampleTransfer): Promise<void> {
  const count = chunkCountOf(transfer);
  for (let chunk = 0; chunk < count; chunk++) {
    if (!staging.digests.has(chunk)) await stageChunk(staging, transfer, chunk);
  }
  await staging.sync();
}

/** An order to publish everything, unless said otherwise. */
export function orderOf(transfer: SampleTransfer, changes: Partial<PublishOrder> = {}): PublishOrder {
  return {
    isPresent: () => false,
    needsAttributes: () => false,
    isExcluded: () => false,
    streamSizeBytes: isStream(transfer.manifest) ? transfer.items[0]!.bytes.length : undefined,
    ...changes,
  };
}

/** A transfer begun in a staging area of its own. */
export async function begin(
  store: ContentStore,
  id: string,
  transfer: SampleTransfer,
): Promise<{ area: StagingArea; staging: ChunkStaging }> {
  const area = await store.openStaging(id);
  return { area, staging: await area.openChunks(transfer) };
}

/** Brings a tree into the store, from the first chunk to the end of its staging area. */
export async function putTree(store: ContentStore, target: string, items: readonly Item[]): Promise<void> {
  const transfer = transferOf(store, target, items);
  const { area, staging } = await begin(store, 'putTreeputTreeputTreeA', transfer);
  await stageAll(staging, transfer);
  await staging.publish(orderOf(transfer));
  await staging.close();
  await area.discard();
}

/** The code of the error that `doing` ends with; 'done' where it ends well. */
export async function codeOf(doing: () => unknown): Promise<string> {
  try {
    await doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'done';
}

/** All bytes of a source. */
export async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of source) pieces.push(Buffer.from(piece)); // the source may reuse its memory
  return Buffer.concat(pieces);
}
