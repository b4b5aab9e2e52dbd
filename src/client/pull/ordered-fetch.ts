/** Fetches chunks into memory, several at a time, and passes each on once it is verified and its turn has come. */
import { CairnError } from '../../base/errors.ts';
import type { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { sameDigest, type HasherFactory } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import { askForChunk } from './chunk-answer.ts';
import type { SessionAccess } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import { crossingLine } from '../transfer/compression.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferProgress } from '../transfer/transfer-progress.ts';
import { unlessAborted } from '../../base/abort-signals.ts';
import { fixedCount, runWorkers } from '../../base/workers.ts';

/** The chunks that are fetched, and where they go. */
export interface OrderedFetch {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly layout: Layout;
  /** Takes the digest of each chunk. */
  readonly digests: ChunkDigests;
  readonly progress: TransferProgress;
  readonly createHasher: HasherFactory;
  /** Chunks in memory at a time, on their way or waiting for their turn. */
  readonly workers: number;
  /** Bytes of the largest chunk. */
  readonly slotBytes: number;
  readonly sink: (bytes: Uint8Array) => Promise<void>;
}

/** The part of a chunk that has come: payload and digest, one after the other. */
interface Slot {
  readonly buffer: Buffer;
  used: number;
}

/** Fetches all chunks. Throws like {@link runWorkers}, and what the sink throws. */
export async function fetchInOrder(fetch: OrderedFetch): Promise<void> {
  const { context, session, layout, slotBytes, digests, sink } = fetch;
  const free: Slot[] = [];
  const turns = createTurns();
  let next = 0;
  // Chunks are handed out in order, and each worker has one slot: the one whose turn it is always has both.
  const take = (): number | undefined => (next < layout.chunkCount ? next++ : undefined);
  await runWorkers(fixedCount(fetch.workers), context.signal, take, async (chunk, signal) => {
    const slot = free.pop() ?? {
      buffer: Buffer.allocUnsafeSlow(slotBytes + digests.digestLengthBytes),
      used: 0,
    };
    slot.used = 0;
    await session.withSignal(signal).run((at) => receiveOnce(fetch, at, chunk, slot));
    await turns.until(chunk, signal);
    // A reader that has stopped reading must not keep a transfer alive that has failed.
    await unlessAborted(sink(slot.buffer.subarray(0, layout.chunkLengthBytes(chunk))), signal);
    free.push(slot);
    turns.next();
  });
}

/** Lets chunks go by in order: `until(n)` resolves once n turns are over. */
function createTurns(): { until(turn: number, signal: AbortSignal): Promise<void>; next(): void } {
  let over = 0;
  let waiting: (() => void)[] = [];
  return {
    next: () => {
      over += 1;
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
    until: async (turn, signal) => {
      for (;;) {
        if (over >= turn) return;
        await unlessAborted(new Promise<void>((resolve) => waiting.push(resolve)), signal);
      }
    },
  };
}

/** One request for the rest of a chunk; what came stays in the slot when it breaks. */
async function receiveOnce(fetch: OrderedFetch, at: SessionAccess, chunk: number, slot: Slot): Promise<void> {
  const { layout, digests, progress, context } = fetch;
  const lengthBytes = layout.chunkLengthBytes(chunk);
  // A digest that was cut comes again whole.
  slot.used = Math.min(slot.used, lengthBytes);
  const restBytes = lengthBytes - slot.used;
  try {
    const digest = await crossingLine(context, restBytes, async (arrived) => {
      const wantedBytes = restBytes + digests.digestLengthBytes;
      const answer = await askForChunk(context.compression, at, { chunk, offset: slot.used, wantedBytes });
      try {
        await fill(fetch, answer.body, chunk, slot);
      } finally {
        const receivedBytes = Math.min(slot.used, lengthBytes) - (lengthBytes - restBytes);
        progress.saved(receivedBytes - answer.wireBytes(receivedBytes));
        arrived(answer.wireBytes(receivedBytes));
      }
      return checkedDigest(fetch, chunk, slot);
    });
    digests.set(chunk, digest);
  } catch (error) {
    if (error instanceof CairnError && error.code === 'chunk-digest-mismatch') {
      progress.lost(chunk, Math.min(slot.used, lengthBytes));
      slot.used = 0;
    }
    throw error;
  }
}

/** Appends the bytes that arrive to a slot. */
async function fill(
  { layout, digests, progress, context }: OrderedFetch,
  body: AsyncIterable<Uint8Array>,
  chunk: number,
  slot: Slot,
): Promise<void> {
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const wholeBytes = lengthBytes + digests.digestLengthBytes;
  for await (const piece of body) {
    if (slot.used + piece.byteLength > wholeBytes) {
      throw new CairnError('chunk-out-of-range', `the server sends more bytes than chunk ${chunk} has`, {
        details: { chunk },
      });
    }
    const before = Math.min(slot.used, lengthBytes);
    slot.buffer.set(piece, slot.used);
    slot.used += piece.byteLength;
    const payloadBytes = Math.min(slot.used, lengthBytes) - before;
    progress.moved(chunk, payloadBytes);
    // A digest that is cut comes again, as often as it is cut.
    if (payloadBytes > 0) context.retrier.progressed();
  }
  if (slot.used < wholeBytes) {
    throw new CairnError('chunk-incomplete', `chunk ${chunk} arrived only in part`, { details: { chunk } });
  }
}

/** The digest of a chunk that is there whole. @throws CairnError `chunk-digest-mismatch` */
function checkedDigest({ layout, createHasher }: OrderedFetch, chunk: number, slot: Slot): Uint8Array {
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const hasher = createHasher();
  hasher.update(slot.buffer.subarray(0, lengthBytes));
  const digest = hasher.digest();
  if (!sameDigest(digest, slot.buffer.subarray(lengthBytes, slot.used))) {
    throw new CairnError('chunk-digest-mismatch', `chunk ${chunk} arrived with other bytes than were sent`, {
      details: { chunk },
    });
  }
  return digest;
}
