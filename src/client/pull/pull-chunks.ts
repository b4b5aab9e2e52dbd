/** The chunks of a pull: fetched by several workers, staged beside the destination, made durable together. */
import { CairnError, type ErrorCode } from '../../base/errors.ts';
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import { receiveChunk } from '../../transfer/chunk-transfer.ts';
import type { ChunkStaging } from '../../storage/content-store.ts';
import type { GroupCommit } from '../../transfer/group-commit.ts';
import { askForChunk } from './chunk-answer.ts';
import { sync, type SessionAccess } from '../session/session-calls.ts';
import { crossingLine } from '../transfer/compression.ts';
import { moveChunk, runChunkWorkers, type ChunkMover } from '../transfer/move-chunk.ts';
import { leaveOut, type Pass } from '../transfer/pass.ts';

/** Everything that the chunks of one pass need. */
export interface PullJob extends Pass {
  readonly staging: ChunkStaging;
  readonly group: GroupCommit;
  /** Keeps `excluded`, durably. */
  readonly keepExclusions: () => Promise<void>;
  /** Called now and then, when more is durable. */
  readonly onDurable: () => Promise<void>;
  /** Chunks whose partial bytes are no longer those that the server would send. */
  readonly fromStart: Set<number>;
}

/** How often the server is told that there was a sync point, in milliseconds. */
const TELL_EVERY_MS = 10_000;

/** Fetches every chunk that is to do, until all are durable here. */
export async function fetchChunks(job: PullJob): Promise<void> {
  const { board, context, group } = job;
  const mover = moverOf(job);
  let toldAtMs = context.now();
  await runChunkWorkers(
    job,
    () => board.take(),
    async (chunk, own) => {
      await moveChunk(job, mover, own, chunk);
      if (context.now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = context.now();
      await job.onDurable();
      await own.run(sync);
    },
  );
  board.reached((await group.request()).durableSyncPoint);
}

function moverOf(job: PullJob): ChunkMover {
  const { layout, group } = job;
  return {
    move: async (chunk, session) => {
      const digest = await session.run((at) => receiveOnce(job, at, chunk));
      return { digest, status: await group.finished() };
    },
    leavesOut: async (error, chunk, round) => {
      // Each entry is named once, and perhaps once more by a server that was restarted.
      const isKnown = excludeReported(job, error, (index) => carries(layout, chunk, index));
      if (!isKnown || round > 2 * entriesIn(layout, chunk)) return false;
      // The part that is here may be bytes of an entry that comes as zeros from now on.
      job.fromStart.add(chunk);
      await job.keepExclusions();
      return true;
    },
  };
}

function carries(layout: Layout, chunk: number, entryIndex: number): boolean {
  const { first, count } = layout.chunksOf(entryIndex);
  return chunk >= first && chunk < first + count;
}

function entriesIn(layout: Layout, chunk: number): number {
  let count = 0;
  for (const _ of layout.segmentsOf(chunk)) count += 1;
  return count;
}

const SOURCE_FAILURES = new Set<ErrorCode>(['source-changed', 'source-missing', 'source-unreadable']);

/**
 * Takes in entries that the server says it cannot read as they were. False for any other error, and for one that names
 * no entry that it may name.
 */
export function excludeReported(
  job: PullJob,
  error: unknown,
  mayName: (entryIndex: number) => boolean,
): boolean {
  if (!(error instanceof CairnError) || !SOURCE_FAILURES.has(error.code)) return false;
  const { code, message, details } = error;
  let found = false;
  for (const index of Array.isArray(details['entries']) ? (details['entries'] as unknown[]) : []) {
    const isEntry = typeof index === 'number' && job.manifest.entries.at(index) !== undefined;
    if (!isEntry || !mayName(index)) continue;
    found = true;
    leaveOut(job, index, code, (path) => `"${path}" is left out: ${REASONS[code] ?? message}`);
  }
  return found;
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  'source-changed': 'it changed at the server since it was listed',
  'source-missing': 'it is no longer there at the server',
  'source-unreadable': 'the server cannot read it',
};

/** One request for the rest of a chunk. What came stays staged when it breaks. */
function receiveOnce(job: PullJob, at: SessionAccess, chunk: number): Promise<Uint8Array> {
  const { staging, layout, context, fromStart } = job;
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const partialBytes = fromStart.has(chunk) ? 0 : (staging.partialChunks().get(chunk) ?? 0);
  const offset = partialBytes <= lengthBytes ? partialBytes : 0;
  return crossingLine(context, lengthBytes - offset, (arrived) =>
    receiveRest(job, at, { chunk, offset, arrived }),
  );
}

async function receiveRest(
  job: PullJob,
  at: SessionAccess,
  { chunk, offset, arrived }: { chunk: number; offset: number; arrived: (wireBytes: number) => void },
): Promise<Uint8Array> {
  const { staging, layout, manifest, createHasher, progress, context, fromStart, group } = job;
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const wantedBytes = lengthBytes - offset + digestLengthBytes;
  const answer = await askForChunk(context.compression, at, { chunk, offset, wantedBytes });
  let received = 0;
  try {
    const expected = { chunk, offset, lengthBytes, digestLengthBytes, createHasher };
    const digest = await receiveChunk(answer.body, staging, expected, {
      onBytes: (bytes) => {
        received += bytes;
        progress.moved(chunk, bytes);
      },
      onWritten: (bytes) => group.written(bytes),
    });
    context.retrier.progressed();
    arrived(answer.wireBytes(received));
    context.flow.finished(answer.wireBytes(received));
    fromStart.delete(chunk);
    return digest;
  } catch (error) {
    // Frees the connection where nothing was read yet; the failure at hand matters more than that of this.
    if (received === 0) await answer.discard().catch(() => undefined);
    const kept = staging.partialChunks().get(chunk) ?? 0;
    progress.lost(chunk, Math.max(0, offset + received - kept));
    if (kept > offset) context.retrier.progressed();
    // From here on the partial chunk is of this very source.
    if (kept > 0) fromStart.delete(chunk);
    throw error;
  } finally {
    progress.saved(received - answer.wireBytes(received));
  }
}
