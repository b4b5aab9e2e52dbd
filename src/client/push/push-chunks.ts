/** The chunks of a push: which are to do, and the workers that send them. */
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { DIGEST_LENGTH_BYTES, sameDigest, type HasherFactory } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { CheckpointReply, SessionGrant, SyncStatus } from '../../wire/messages.ts';
import { sendChunk } from '../../transfer/chunk-transfer.ts';
import { CairnError } from '../../base/errors.ts';
import type { ChunkBoard } from '../transfer/chunk-board.ts';
import type { CommitAhead } from './commit-ahead.ts';
import { sendReliably } from './chunk-sender.ts';
import type { JournalWriter } from '../state/journal-writer.ts';
import type { SessionClient } from '../session/session-client.ts';
import { isToReadAgain, type SourceReader } from './source-reader.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferProgress } from '../transfer/transfer-progress.ts';
import { runWorkers } from '../../base/workers.ts';

/** Everything that the chunks of one pass need. */
export interface PushJob {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly layout: Layout;
  readonly reader: SourceReader;
  readonly board: ChunkBoard;
  readonly progress: TransferProgress;
  readonly createHasher: HasherFactory;
  /** The local checkpoint; undefined where nothing is worth keeping. */
  readonly checkpoint: { readonly log: CheckpointLog; readonly writer: JournalWriter } | undefined;
  /** Bytes that the server holds of chunks that are not whole. */
  readonly held: Map<number, number>;
  /**
   * Chunks that the server has and the local checkpoint does not know, reserved on the board; with their digests there,
   * or undefined where the server does not tell any more because it is committing.
   */
  readonly unverified: { readonly chunks: number[]; readonly there: ChunkDigests | undefined };
  /** Bytes of durable chunks. */
  readonly durable: { bytes: number };
  readonly ahead: CommitAhead;
}

/** The digests of the chunks that the server says it has. @throws CairnError `invalid-request` */
export function serverDigests(
  { manifest, layout }: Pick<PushJob, 'manifest' | 'layout'>,
  reply: CheckpointReply,
): ChunkDigests {
  return ChunkDigests.decode(reply.chunks, DIGEST_LENGTH_BYTES[manifest.digest], layout.chunkCount);
}

/** Takes in what the server has in a new epoch. */
export async function applyCheckpoint(
  job: PushJob,
  reply: CheckpointReply,
  grant: SessionGrant,
): Promise<void> {
  const { board, layout, progress, checkpoint, context } = job;
  if (reply.plan === null) {
    const message =
      'the server has lost the plan of this transfer, and all that it had staged; run the command again';
    throw new CairnError('session-not-found', message);
  }
  const there = serverDigests(job, reply);
  const { lost, durable } = board.restart(there);
  lookInto(job, there);
  for (const chunk of lost) progress.lost(chunk, layout.chunkLengthBytes(chunk));
  setHeld(job, reply);
  job.durable.bytes = durableBytes(job);
  checkpoint?.writer.add(durable, job.durable.bytes);
  const forget = lost.filter((chunk) => checkpoint?.log.digests.has(chunk));
  if (forget.length > 0) await checkpoint?.log.append({ forget, epoch: grant.epoch });
  context.report({ type: 'resumed', epoch: grant.epoch, bytesResumed: job.durable.bytes });
}

/** Another client may have brought chunks meanwhile that this one has not even read: hashing them is enough. */
function lookInto({ board, unverified, progress, layout }: PushJob, there: ChunkDigests): void {
  if (unverified.there === undefined) return;
  for (const chunk of there.chunks.values()) {
    if (!board.isTodo(chunk)) continue;
    board.reserve(chunk);
    progress.resumed(chunk, layout.chunkLengthBytes(chunk));
    unverified.chunks.push(chunk);
    unverified.there.set(chunk, there.get(chunk)!);
  }
}

/** Notes what the server holds of chunks that are not whole. */
export function setHeld({ held, layout }: Pick<PushJob, 'held' | 'layout'>, reply: CheckpointReply): void {
  held.clear();
  for (const [chunk, bytes] of reply.held) {
    if (chunk < layout.chunkCount && bytes <= layout.chunkLengthBytes(chunk)) held.set(chunk, bytes);
  }
}

function durableBytes({ board, layout }: PushJob): number {
  let bytes = 0;
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    if (board.isDurable(chunk)) bytes += layout.chunkLengthBytes(chunk);
  }
  return bytes;
}

/**
 * Hashes the local bytes of a chunk that the server has. Trusted is what agrees; anything else is sent again, and the
 * server, which compares, takes it in place of what it has.
 */
async function verifyOne(
  job: PushJob,
  session: SessionClient,
  chunk: number,
  signal: AbortSignal,
): Promise<void> {
  const { board, layout, progress } = job;
  const { touches } = job.reader;
  const digest = await hashChunk(job, chunk, signal);
  if (wasTouched(job, chunk, touches)) return verifyOne(job, session, chunk, signal);
  const { there } = job.unverified;
  // Where nothing can be compared now, the digest of the whole will tell.
  const theirs = there === undefined ? digest : there.get(chunk);
  const lengthBytes = layout.chunkLengthBytes(chunk);
  if (digest === undefined || theirs === undefined || !sameDigest(digest, theirs)) {
    if (board.isDoubted(chunk)) progress.lost(chunk, lengthBytes);
    else progress.notResumed(chunk, lengthBytes);
    await sendOne(job, session, chunk);
    return;
  }
  if (board.confirm(chunk)) return;
  board.trust(chunk, digest);
  noteDurable(job, [[chunk, digest]]);
}

/** An entry has another device, inode or ctime than before: what was read of it is read again, and sent if it differs. */
export function doubtEntry(job: PushJob, entryIndex: number): void {
  const { first, count } = job.layout.chunksOf(entryIndex);
  for (let chunk = first; chunk < first + count; chunk += 1) doubt(job, chunk);
}

function doubt({ board, unverified }: PushJob, chunk: number): void {
  if (!board.doubt(chunk)) return;
  unverified.chunks.push(chunk);
  unverified.there?.set(chunk, board.digests.get(chunk)!);
}

/** Whether something in a chunk was touched after there were so many touches: it may have been read before that. */
function wasTouched({ reader, layout }: PushJob, chunk: number, touches: number): boolean {
  if (reader.touches === touches) return false;
  for (const { entryIndex } of layout.segmentsOf(chunk))
    if (reader.wasTouchedAfter(entryIndex, touches)) return true;
  return false;
}

/** The digest of the local bytes of a chunk; undefined where they are not what was scanned. */
async function hashChunk(job: PushJob, chunk: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
  let digest: Uint8Array | undefined;
  const { createHasher, reader, layout } = job;
  const onDigest = (value: Uint8Array): void => void (digest = value);
  const nothing = sendChunk(layout.segmentsOf(chunk), reader.read, {
    createHasher,
    offset: Infinity,
    onDigest,
  });
  try {
    for await (const _ of nothing) signal.throwIfAborted();
  } catch (error) {
    if (!isToReadAgain(error)) throw error;
    await keepExclusions(job);
    return undefined;
  }
  return digest;
}

/** A chunk to send, or one to look into that the server has. */
interface Todo {
  readonly chunk: number;
  readonly isThere: boolean;
}

/**
 * Sends every chunk that is to do, then looks into those that the server has and the local checkpoint does not know,
 * until all are at the server. The last of them need not be durable yet: a commit begins with a sync point, and asking
 * for one before would cost a long line another round trip.
 */
export async function sendChunks(job: PushJob): Promise<void> {
  const { board, context, session, unverified } = job;
  // What is new goes first: the time to the first new byte must not grow with what is there.
  const next = (): Todo | undefined => {
    const todo = board.take();
    if (todo !== undefined) return { chunk: todo, isThere: false };
    const there = unverified.chunks.pop();
    return there === undefined ? undefined : { chunk: there, isThere: true };
  };
  for (;;) {
    context.flow.begin(job.manifest.chunkSizeBytes);
    const work = ({ chunk, isThere }: Todo, signal: AbortSignal): Promise<void> => {
      const own = session.withSignal(signal);
      return isThere ? verifyOne(job, own, chunk, signal) : sendOne(job, own, chunk);
    };
    // Nothing else may be on the wire while chunks are hashed: each of them takes no time, and all may take hours.
    await session.keepingLease(() => runWorkers(session.parallel, context.signal, next, work));
    // Otherwise a new epoch has brought some back.
    if (board.open === 0) return;
  }
}

/** Writes down what the server says is durable. */
export function noteStatus(job: PushJob, status: SyncStatus): void {
  noteDurable(job, job.board.reached(status.durableSyncPoint));
}

function noteDurable(job: PushJob, chunks: (readonly [chunk: number, digest: Uint8Array])[]): void {
  for (const [chunk] of chunks) job.durable.bytes += job.layout.chunkLengthBytes(chunk);
  job.checkpoint?.writer.add(chunks, job.durable.bytes);
}

async function sendOne(job: PushJob, session: SessionClient, chunk: number): Promise<void> {
  const { board, reader, layout, createHasher, held, context, progress } = job;
  const lengthBytes = layout.chunkLengthBytes(chunk);
  for (;;) {
    if (reader.isEmptied(chunk)) {
      board.skip(chunk);
      return;
    }
    const heldBytes = held.get(chunk) ?? 0;
    held.delete(chunk);
    const { touches } = reader;
    try {
      const sent = await sendReliably(session, context, progress, {
        chunk,
        lengthBytes,
        digestLengthBytes: DIGEST_LENGTH_BYTES[job.manifest.digest],
        heldBytes,
        isSettled: () => board.isDurable(chunk),
        read: (offset, onDigest) =>
          sendChunk(layout.segmentsOf(chunk), reader.read, {
            createHasher,
            offset,
            onDigest: (digest) => {
              // Known before the answer: where that is lost, the next checkpoint still tells whether it arrived.
              board.digests.set(chunk, digest);
              onDigest(digest);
              job.ahead.chunkRead();
            },
          }),
      });
      if (sent === undefined) return;
      context.flow.finished(sent.wireBytes);
      board.finish(chunk, sent.digest, sent.status.syncPoint);
      noteStatus(job, sent.status);
      // It may have been read before, and only its answer came after.
      if (wasTouched(job, chunk, touches)) doubt(job, chunk);
      return;
    } catch (error) {
      if (!isToReadAgain(error)) {
        board.giveBack(chunk);
        throw error;
      }
      await keepExclusions(job);
    }
  }
}

/** Zeros go out in place of excluded bytes: that must not be forgotten before any of them is sent. */
export async function keepExclusions({ checkpoint, reader }: PushJob): Promise<void> {
  await checkpoint?.log.append({ note: { excluded: reader.excluded.runs() } });
}
