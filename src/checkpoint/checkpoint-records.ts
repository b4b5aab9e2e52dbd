/**
 * The records of a checkpoint log (all integers big-endian):
 *
 *     1 binding  JSON {"manifestId": hex, "digestLengthBytes": n}; the first record, once
 *     2 chunks   count u32 | count × (chunk u48 | digest)     these chunks are durable, with these digests
 *     3 forget   count u32 | count × chunk u48                these chunks are not durable any more
 *     4 epoch    u48
 *     5 note     JSON object; its members replace those of the same name
 *     6 partial  count u32 | count × (chunk u48 | bytes u48)  so many first bytes of these chunks, which are not whole,
 *                                                             were written and synced; replaces the record before it
 *
 * A partial record is a hint about durable bytes, not about right ones: the digest of the whole chunk decides in the end.
 * It no longer counts for a chunk that a later `chunks` or `forget` record names, and never for a durable chunk.
 *
 * The behaviour of older versions, which is why numbers are never used again:
 *
 *     kinds in it   0.1.0              later
 *     1 to 5        reads it           reads it
 *     6, too        `journal-version`  reads it
 *     others        `journal-version`  `journal-version`
 *
 * Pure.
 */
import { CairnError } from '../base/errors.ts';
import { CHUNK_SIZE_RANGE } from '../manifest/manifest.ts';
import type { ChunkDigests } from './chunk-digests.ts';
import type { JournalRecord } from './journal-format.ts';

/** Kinds of records; a number never gets another meaning. */
export const KIND = { binding: 1, chunks: 2, forget: 3, epoch: 4, note: 5, partial: 6 } as const;

/** Any JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Binds a log to its manifest. */
export interface CheckpointBinding {
  /** Id of the manifest, lower-case hexadecimal. */
  readonly manifestId: string;
  readonly digestLengthBytes: number;
}

/** One sync point: changes that become true together. Where one group both forgets and adds a chunk, it is added. */
export interface CheckpointGroup {
  /** Chunks that are durable now, with their digests. */
  readonly chunks?: Iterable<readonly [chunk: number, digest: Uint8Array]>;
  /** Chunks that are not durable, or not with the recorded digest. */
  readonly forget?: readonly number[];
  readonly epoch?: number;
  /** All partial chunks, with their bytes; at most {@link MAX_PARTIAL_CHUNKS}. Undefined: as before. */
  readonly partialChunks?: ReadonlyMap<number, number>;
  /** Members to set in the notes; null is an ordinary value. */
  readonly note?: Readonly<Record<string, Json>>;
}

/** The state after all records of a log. */
export interface CheckpointState {
  readonly digests: ChunkDigests;
  /** Durable first bytes of partial chunks, by chunk. */
  partialChunks: Map<number, number>;
  epoch: number;
  note: Readonly<Record<string, Json>>;
}

/** Chunks in one record: with the longest digests it stays well below the size that the journal syncs at a time. */
const CHUNKS_PER_RECORD = 16_384;
const CHUNK_LIMIT = 2 ** 32;
/** Most chunks in a partial record: far more than travel at a time, and few enough to write each time. */
export const MAX_PARTIAL_CHUNKS = 1024;

function corrupt(why: string): CairnError {
  return new CairnError('journal-corrupt', `the checkpoint cannot be read: ${why}`);
}

/** The binding record. */
export function encodeBinding({ manifestId, digestLengthBytes }: CheckpointBinding): JournalRecord {
  return { kind: KIND.binding, payload: Buffer.from(JSON.stringify({ manifestId, digestLengthBytes })) };
}

/**
 * The records of one group, in an order that allows a torn write to keep only the first of them: `forget` records
 * first, and last the notes, which may refer to the chunks.
 *
 * @throws CairnError `internal` for a digest of the wrong length, and for numbers that are out of range
 */
export function encodeGroup(group: CheckpointGroup, digestLengthBytes: number): JournalRecord[] {
  const records: JournalRecord[] = [];
  if (group.epoch !== undefined) records.push({ kind: KIND.epoch, payload: u48(group.epoch) });
  const forget = (group.forget ?? []).map((chunk) => u48(chunkNumber(chunk)));
  records.push(...listRecords(KIND.forget, forget));
  const chunks = Array.from(group.chunks ?? [], ([chunk, digest]) => {
    if (digest.byteLength === digestLengthBytes) return Buffer.concat([u48(chunkNumber(chunk)), digest]);
    throw new CairnError('internal', `the digest of chunk ${chunk} has ${digest.byteLength} bytes`);
  });
  records.push(...listRecords(KIND.chunks, chunks));
  if (group.partialChunks !== undefined) records.push(partialRecord(group.partialChunks));
  if (group.note !== undefined)
    records.push({ kind: KIND.note, payload: Buffer.from(JSON.stringify(group.note)) });
  return records;
}

function partialRecord(partialChunks: ReadonlyMap<number, number>): JournalRecord {
  const count = Buffer.allocUnsafe(4);
  count.writeUInt32BE(partialChunks.size);
  const items = Array.from(partialChunks, ([chunk, bytes]) => {
    if (isPartialLength(bytes)) return Buffer.concat([u48(chunkNumber(chunk)), u48(bytes)]);
    throw new CairnError('internal', `a partial chunk ${chunk} of ${bytes} bytes`);
  });
  if (partialChunks.size > MAX_PARTIAL_CHUNKS)
    throw new CairnError('internal', `${partialChunks.size} partial chunks`);
  return { kind: KIND.partial, payload: Buffer.concat([count, ...items]) };
}

function isPartialLength(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= 1 && bytes <= CHUNK_SIZE_RANGE.max;
}

function chunkNumber(chunk: number): number {
  if (Number.isInteger(chunk) && chunk >= 0 && chunk < CHUNK_LIMIT) return chunk;
  throw new CairnError('internal', `${chunk} is not a chunk number`);
}

function u48(value: number): Buffer {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 48)
    throw new CairnError('internal', `${value} as u48`);
  const bytes = Buffer.allocUnsafe(6);
  bytes.writeUIntBE(value, 0, 6);
  return bytes;
}

function listRecords(kind: number, items: readonly Buffer[]): JournalRecord[] {
  const records: JournalRecord[] = [];
  for (let from = 0; from < items.length; from += CHUNKS_PER_RECORD) {
    const part = items.slice(from, from + CHUNKS_PER_RECORD);
    const count = Buffer.allocUnsafe(4);
    count.writeUInt32BE(part.length);
    records.push({ kind, payload: Buffer.concat([count, ...part]) });
  }
  return records;
}

/** Reads a binding record. @throws CairnError `journal-corrupt` */
export function decodeBinding(record: JournalRecord): CheckpointBinding {
  const value = record.kind === KIND.binding ? decodeObject(record.payload) : {};
  const { manifestId, digestLengthBytes } = value;
  if (typeof manifestId !== 'string' || typeof digestLengthBytes !== 'number')
    throw corrupt('no binding comes first');
  return { manifestId, digestLengthBytes };
}

/** Applies one more record to `state`. @throws CairnError `journal-corrupt`, `journal-version` */
export function applyRecord(state: CheckpointState, record: JournalRecord): void {
  const payload = Buffer.from(record.payload.buffer, record.payload.byteOffset, record.payload.byteLength);
  const { digestLengthBytes } = state.digests;
  if (record.kind === KIND.chunks) {
    for (const item of decodeList(payload, 6 + digestLengthBytes)) {
      state.digests.set(chunkOf(item), item.subarray(6));
      state.partialChunks.delete(chunkOf(item));
    }
  } else if (record.kind === KIND.forget) {
    for (const item of decodeList(payload, 6)) {
      state.digests.delete(chunkOf(item));
      state.partialChunks.delete(chunkOf(item));
    }
  } else if (record.kind === KIND.partial) {
    state.partialChunks = decodePartial(payload, state.digests);
  } else if (record.kind === KIND.epoch) {
    if (payload.length !== 6) throw corrupt('an epoch of the wrong length');
    state.epoch = payload.readUIntBE(0, 6);
  } else if (record.kind === KIND.note) {
    // Spreading defines members and assigns none, so that "__proto__" is an ordinary name.
    state.note = { ...state.note, ...decodeObject(payload) };
  } else {
    throw new CairnError(
      'journal-version',
      `the checkpoint has a record of kind ${record.kind}: use a newer cairn`,
    );
  }
}

function decodePartial(payload: Buffer, durable: ChunkDigests): Map<number, number> {
  const partialChunks = new Map<number, number>();
  let count = 0;
  for (const item of decodeList(payload, 12)) {
    const bytes = item.readUIntBE(6, 6);
    count += 1;
    if (!isPartialLength(bytes)) throw corrupt(`a partial chunk of ${bytes} bytes`);
    if (count > MAX_PARTIAL_CHUNKS) throw corrupt(`more than ${MAX_PARTIAL_CHUNKS} partial chunks`);
    if (!durable.has(chunkOf(item))) partialChunks.set(chunkOf(item), bytes);
  }
  return partialChunks;
}

function* decodeList(payload: Buffer, itemBytes: number): Generator<Buffer> {
  const count = payload.length < 4 ? -1 : payload.readUInt32BE(0);
  if (payload.length !== 4 + count * itemBytes) throw corrupt('a list of the wrong length');
  for (let at = 4; at < payload.length; at += itemBytes) yield payload.subarray(at, at + itemBytes);
}

function chunkOf(item: Buffer): number {
  const chunk = item.readUIntBE(0, 6);
  if (chunk >= CHUNK_LIMIT) throw corrupt(`chunk ${chunk} is out of range`);
  return chunk;
}

function decodeObject(payload: Uint8Array): Record<string, Json> {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString());
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, Json>;
  } catch {
    // Falls through to the same error.
  }
  throw corrupt('a record is not the JSON object that it should be');
}
