/** The chunks of a push: sent by several workers, or verified where the server has them. */
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import { sendChunk } from '../../transfer/chunk-transfer.ts';
import { moveChunk, runChunkWorkers, type ChunkMover, type MovedChunk } from '../transfer/move-chunk.ts';
import type { SessionClient } from '../session/session-client.ts';
import { sendReliably } from './chunk-sender.ts';
import { keepExclusions, noteDurable, type PushJob } from './push-job.ts';
import { isToReadAgain } from './source-reader.ts';
import { doubtIfTouched, isVerified } from './verify-chunks.ts';

/** A chunk to send, or one to verify that the server has. */
interface Todo {
  readonly chunk: number;
  readonly isThere: boolean;
}

/**
 * Sends every chunk that is to do, then verifies those that the server has and the local checkpoint does not know, until
 * all are at the server. The last of them need not be durable yet: a commit begins with a sync point, and asking for one
 * before would cost a long line another round trip.
 */
export async function sendChunks(job: PushJob): Promise<void> {
  const { board, session, unverified } = job;
  const mover = moverOf(job);
  // New chunks go first: the time to the first new byte must not grow with the bytes that are there.
  const next = (): Todo | undefined => {
    const todo = board.take();
    if (todo !== undefined) return { chunk: todo, isThere: false };
    const there = unverified.chunks.pop();
    return there === undefined ? undefined : { chunk: there, isThere: true };
  };
  const work = async ({ chunk, isThere }: Todo, own: SessionClient, signal: AbortSignal): Promise<void> => {
    if (isThere && (await isVerified(job, chunk, signal))) return;
    const { touches } = job.reader;
    await moveChunk(job, mover, own, chunk);
    // It may have been read before, and only its answer came after.
    doubtIfTouched(job, chunk, touches);
  };
  for (;;) {
    // Nothing else may be on the wire while chunks are hashed: each of them takes no time, and all may take hours.
    await session.keepingLease(() => runChunkWorkers(job, next, work));
    // Otherwise a new epoch has brought some back.
    if (board.open === 0) return;
  }
}

function moverOf(job: PushJob): ChunkMover {
  return {
    move: (chunk, session) => send(job, session, chunk),
    noteDurable: (chunks) => noteDurable(job, chunks),
    leavesOut: async (error) => {
      if (!isToReadAgain(error)) return false;
      await keepExclusions(job);
      return true;
    },
  };
}

/** Sends a chunk from where the server's part of it ends. */
async function send(job: PushJob, session: SessionClient, chunk: number): Promise<MovedChunk | undefined> {
  const { board, reader, layout, manifest, createHasher, partialChunks, context, progress } = job;
  const partialBytes = partialChunks.get(chunk) ?? 0;
  partialChunks.delete(chunk);
  const sent = await sendReliably(session, context, progress, {
    chunk,
    lengthBytes: layout.chunkLengthBytes(chunk),
    digestLengthBytes: DIGEST_LENGTH_BYTES[manifest.digest],
    partialBytes,
    isSettled: () => board.isDurable(chunk),
    read: (offset, onDigest) =>
      sendChunk(layout.segmentsOf(chunk), reader.read, {
        createHasher,
        offset,
        readNow: reader.readNow,
        onDigest: (digest) => {
          // Known before the answer: where that is lost, the next checkpoint still tells whether it arrived.
          board.digests.set(chunk, digest);
          onDigest(digest);
          job.ahead.chunkRead();
        },
      }),
  });
  if (sent !== undefined) context.flow.finished(sent.wireBytes);
  return sent;
}
