/**
 * One chunk on its way, from the sender's files to the receiver's staging: read → hash → send, receive → hash → write.
 * Both sides use both halves; on the wire a chunk is its bytes, then the digest of the whole chunk.
 */
import { createBreather } from '../base/breather.ts';
import { CairnError } from '../base/errors.ts';
import { sameDigest, type HasherFactory } from '../manifest/digest.ts';
import type { Segment } from '../manifest/layout.ts';
import type { ChunkStore, ChunkWriter } from './chunk-store.ts';
import { offsetMismatch } from './offset-mismatch.ts';
import { createSegmentBatch, type ReadNow } from './segment-batch.ts';
import { WriteBatch } from './write-batch.ts';

/** Reads the bytes of one segment; throws `source-changed` and similar codes. */
export type SegmentReader = (segment: Segment) => AsyncIterable<Uint8Array>;

/** How {@link sendChunk} sends. */
export interface SendOptions {
  readonly createHasher: HasherFactory;
  /** The offset in the chunk of the first byte to yield. */
  readonly offset: number;
  /** Called with the digest before it is yielded. */
  readonly onDigest: (digest: Uint8Array) => void;
  /** Reads small segments, where that works at once. */
  readonly readNow?: ReadNow | undefined;
}

/**
 * Reads the segments of a chunk, hashes all of it, and yields the bytes from `offset` on, then the digest. A piece is
 * valid until the next one is asked for.
 */
export async function* sendChunk(
  segments: Iterable<Segment>,
  read: SegmentReader,
  { createHasher, offset, onDigest, readNow }: SendOptions,
): AsyncGenerator<Uint8Array> {
  const hasher = createHasher();
  let at = 0;
  const wanted = (bytes: Uint8Array): Uint8Array => {
    hasher.update(bytes);
    const skip = Math.max(0, offset - at);
    at += bytes.byteLength;
    return skip === 0 ? bytes : bytes.subarray(skip);
  };
  const batch = createSegmentBatch(readNow);
  const batched = function* (): Generator<Uint8Array> {
    const bytes = wanted(batch.take());
    if (bytes.byteLength > 0) yield bytes;
  };
  // A chunk may have ten thousand tiny files, whose reads wait for a slow disk each.
  const breathe = createBreather();
  for (const segment of segments) {
    const pause = breathe();
    if (pause !== undefined) await pause;
    if (batch.isFullFor(segment)) yield* batched();
    if (batch.add(segment)) continue;
    yield* batched();
    for await (const piece of read(segment)) {
      const bytes = wanted(piece);
      if (bytes.byteLength > 0) yield bytes;
    }
  }
  yield* batched();
  const digest = hasher.digest();
  onDigest(digest);
  yield digest;
}

/** The receiver's expectation of one chunk. */
export interface ExpectedChunk {
  readonly chunk: number;
  /** The offset in the chunk of the first incoming byte. */
  readonly offset: number;
  /** Bytes of the whole chunk. */
  readonly lengthBytes: number;
  readonly digestLengthBytes: number;
  readonly createHasher: HasherFactory;
}

/** Callbacks while a chunk arrives. */
export interface ReceiveOptions {
  /** Called before the chunk is finished; throws when its writer has lost the session meanwhile. */
  readonly fence?: () => void;
  /** Called with the number of payload bytes as they arrive. */
  readonly onBytes?: (bytes: number) => void;
  /** Called with the number of payload bytes once staging has them: the next sync point covers them. */
  readonly onWritten?: (bytes: number) => void;
}

/**
 * Receives one chunk into staging and checks its digest. Resolves with the digest once the chunk is finished; it is
 * durable after the next sync point. When the source breaks, staging keeps the bytes that arrived, unless they are
 * damaged, and this throws the source's error.
 *
 * @param source may reuse a piece's memory once this asks for the next piece
 * @throws CairnError `chunk-digest-mismatch`, `chunk-incomplete`, `chunk-offset-mismatch`, or a storage code
 */
export async function receiveChunk(
  source: AsyncIterable<Uint8Array>,
  staging: ChunkStore,
  expected: ExpectedChunk,
  options: ReceiveOptions = {},
): Promise<Uint8Array> {
  const hasher = expected.createHasher();
  if (expected.offset > 0) await rehash(staging, expected, hasher);
  const writer = await staging.write(expected.chunk, expected.offset);
  let footer: Uint8Array;
  try {
    footer = await pump(source, writer, hasher, expected, options);
  } catch (error) {
    // In a damaged encoding even the bytes decoded before the error may be wrong.
    const isDamaged = error instanceof CairnError && error.code === 'chunk-digest-mismatch';
    await (isDamaged ? writer.drop() : writer.hold());
    throw error;
  }
  const digest = hasher.digest();
  if (!sameDigest(digest, footer)) {
    await writer.drop();
    throw new CairnError(
      'chunk-digest-mismatch',
      `chunk ${expected.chunk} arrived with other bytes than were sent`,
      {
        details: { chunk: expected.chunk },
      },
    );
  }
  try {
    options.fence?.();
  } catch (error) {
    await writer.drop();
    throw error;
  }
  await writer.finish(digest);
  return digest;
}

/** Hashes the staged bytes of a partial chunk. */
async function rehash(
  staging: ChunkStore,
  expected: ExpectedChunk,
  hasher: { update(bytes: Uint8Array): void },
): Promise<void> {
  const partialBytes = staging.partialChunks().get(expected.chunk) ?? 0;
  if (partialBytes !== expected.offset) throw offsetMismatch(expected.chunk, partialBytes);
  let at = 0;
  for await (const bytes of staging.read(expected.chunk)) {
    const take = Math.min(bytes.byteLength, expected.offset - at);
    hasher.update(bytes.subarray(0, take));
    at += take;
  }
  if (at !== expected.offset) {
    // Otherwise the receiver would send the sender back to these bytes for ever.
    await (await staging.write(expected.chunk, 0)).drop();
    throw offsetMismatch(expected.chunk, 0, `chunk ${expected.chunk} has lost its first bytes`);
  }
}

/** Passes payload to the writer in batches; returns the footer that follows it. */
async function pump(
  source: AsyncIterable<Uint8Array>,
  writer: ChunkWriter,
  hasher: { update(bytes: Uint8Array): void },
  expected: ExpectedChunk,
  { onBytes, onWritten = () => {} }: ReceiveOptions,
): Promise<Uint8Array> {
  let payloadLeft = expected.lengthBytes - expected.offset;
  const footer = Buffer.alloc(expected.digestLengthBytes);
  let footerBytes = 0;
  const batch = new WriteBatch(writer, onWritten);
  try {
    for await (const piece of source) {
      const payload = payloadLeft >= piece.byteLength ? piece : piece.subarray(0, payloadLeft);
      if (payload.byteLength > 0) {
        hasher.update(payload);
        payloadLeft -= payload.byteLength;
        onBytes?.(payload.byteLength);
        const writing = batch.add(payload);
        if (writing !== undefined) await writing;
      }
      const rest = piece.subarray(payload.byteLength);
      if (rest.byteLength > footer.byteLength - footerBytes)
        throw incomplete(expected, 'more bytes than it has');
      footer.set(rest, footerBytes);
      footerBytes += rest.byteLength;
    }
  } finally {
    await batch.flush();
  }
  if (footerBytes < footer.byteLength) throw incomplete(expected, 'only a part of its bytes');
  return footer;
}

function incomplete(expected: ExpectedChunk, what: string): CairnError {
  return new CairnError(
    'chunk-incomplete',
    `chunk ${expected.chunk} arrived with ${what}; it is sent again`,
    {
      details: { chunk: expected.chunk },
    },
  );
}
