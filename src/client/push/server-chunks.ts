/** What the server has of a push already: taken over from an earlier run, and taken in with every new epoch. */
import { CairnError } from '../../base/errors.ts';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { ChunkSet, type ReadonlyChunkSet } from '../../checkpoint/chunk-set.ts';
import { emptiedChunks } from '../../transfer/emptied-chunks.ts';
import { DIGEST_LENGTH_BYTES, sameDigest } from '../../manifest/digest.ts';
import type { CheckpointReply, CommitRequest, SessionTerms } from '../../wire/messages.ts';
import type { Pass } from '../transfer/pass.ts';
import type { PushJob } from './push-job.ts';

/** What the server says of an earlier run; `committing` where it has everything. */
export type EarlierState = CheckpointReply | 'committing' | undefined;

/** The digests of the chunks that the server says it has. @throws CairnError `invalid-request` */
function serverDigests(
  { manifest, layout }: Pick<Pass, 'manifest' | 'layout'>,
  reply: CheckpointReply,
): ChunkDigests {
  return ChunkDigests.decode(reply.chunks, DIGEST_LENGTH_BYTES[manifest.digest], layout.chunkCount);
}

/** Whether an earlier run has brought something. */
export function hasBrought(job: Pick<Pass, 'manifest' | 'layout'>, earlier: EarlierState): boolean {
  if (earlier === undefined) return false;
  return earlier === 'committing' || earlier.held.length > 0 || serverDigests(job, earlier).chunks.size > 0;
}

/**
 * Takes over what the server has of an earlier run: trusted where the local checkpoint has the same digest, looked into
 * where it does not. Answers the entries with some trusted bytes.
 */
export async function takeOver(job: PushJob, earlier: EarlierState): Promise<ReadonlyChunkSet> {
  const entries = new ChunkSet();
  if (earlier === undefined) return entries;
  const { board, layout, progress, checkpoint, unverified } = job;
  const there = earlier === 'committing' ? undefined : serverDigests(job, earlier);
  // A damaged journal may have lost what took a chunk back.
  const known = checkpoint?.log.corruptAt === undefined ? checkpoint?.log.digests : undefined;
  for (const chunk of there?.chunks.values() ?? range(layout.chunkCount)) {
    const own = known?.get(chunk);
    const digest = there?.get(chunk) ?? own;
    const lengthBytes = layout.chunkLengthBytes(chunk);
    progress.resumed(chunk, lengthBytes);
    for (const { entryIndex } of layout.segmentsOf(chunk)) entries.add(entryIndex);
    if (own !== undefined && digest !== undefined && sameDigest(own, digest)) {
      board.trust(chunk, own);
      job.durable.bytes += lengthBytes;
    } else {
      board.reserve(chunk);
      unverified.chunks.push(chunk);
      if (digest !== undefined) unverified.there?.set(chunk, digest);
    }
  }
  if (earlier !== 'committing') await takeOverRest(job, earlier);
  return entries;
}

/** The partial chunks that the server has, and the chunks that it has no longer. */
async function takeOverRest(job: PushJob, earlier: CheckpointReply): Promise<void> {
  const { partialChunks, progress, checkpoint } = job;
  const there = serverDigests(job, earlier);
  setPartialChunks(job, earlier);
  for (const [chunk, bytes] of partialChunks) {
    if (there.has(chunk)) partialChunks.delete(chunk);
    else progress.resumed(chunk, bytes);
  }
  const forget = [...(checkpoint?.log.digests.chunks.values() ?? [])].filter((chunk) => !there.has(chunk));
  if (forget.length > 0) await checkpoint?.log.append({ forget });
}

/** Counts as resumed all that an earlier run had brought when it asked for the commit. */
export function countResumed({ layout, manifest, progress }: Pass, { excluded: runs }: CommitRequest): void {
  const excluded = ChunkSet.fromRuns(runs, manifest.entries.length);
  const emptied = emptiedChunks(layout, excluded).chunks;
  for (const chunk of range(layout.chunkCount)) {
    if (!emptied.has(chunk)) progress.resumed(chunk, layout.chunkLengthBytes(chunk));
  }
}

/** Takes in what the server has in a new epoch. @throws CairnError `session-not-found` where it lost the plan */
export async function applyCheckpoint(
  job: PushJob,
  reply: CheckpointReply,
  { epoch }: Pick<SessionTerms, 'epoch'>,
): Promise<void> {
  const { board, layout, progress, checkpoint, context } = job;
  if (reply.plan === null) {
    const message =
      'the server has lost the plan and the staged chunks of this transfer; run the command again';
    throw new CairnError('session-not-found', message);
  }
  const there = serverDigests(job, reply);
  const { lost, durable } = board.restart(there);
  lookInto(job, there);
  for (const chunk of lost) progress.lost(chunk, layout.chunkLengthBytes(chunk));
  setPartialChunks(job, reply);
  job.durable.bytes = durableBytes(job);
  checkpoint?.writer.add(durable, job.durable.bytes);
  const forget = lost.filter((chunk) => checkpoint?.log.digests.has(chunk));
  if (forget.length > 0) await checkpoint?.log.append({ forget, epoch });
  context.report({ type: 'resumed', epoch, bytesResumed: job.durable.bytes });
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

/** Notes the partial chunks of the server. */
function setPartialChunks({ partialChunks, layout }: PushJob, reply: CheckpointReply): void {
  partialChunks.clear();
  for (const [chunk, bytes] of reply.held) {
    if (chunk < layout.chunkCount && bytes <= layout.chunkLengthBytes(chunk)) partialChunks.set(chunk, bytes);
  }
}

function durableBytes({ board, layout }: PushJob): number {
  let bytes = 0;
  for (const chunk of range(layout.chunkCount)) {
    if (board.isDurable(chunk)) bytes += layout.chunkLengthBytes(chunk);
  }
  return bytes;
}

function* range(count: number): Generator<number> {
  for (let chunk = 0; chunk < count; chunk += 1) yield chunk;
}
