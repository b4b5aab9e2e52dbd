/** The chunks of a pull: fetched by several workers, staged beside the destination, made durable together. */
import { CairnError, type ErrorCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES, type HasherFactory } from '../../manifest/digest.ts';
import type { Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { receiveChunk } from '../../transfer/chunk-transfer.ts';
import type { ChunkStaging } from '../../storage/content-store.ts';
import type { GroupCommit } from '../../transfer/group-commit.ts';
import type { ChunkBoard } from '../transfer/chunk-board.ts';
import type { Report } from '../api/events.ts';
import { openAnswer, type ChunkAnswer } from './chunk-answer.ts';
import { getChunk } from '../session/chunk-calls.ts';
import { sync, type SessionAccess } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import { crossingLine } from '../transfer/compression.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferProgress } from '../transfer/transfer-progress.ts';
import { runWorkers } from '../../base/workers.ts';

/** Everything that the chunks of one pass need. */
export interface PullJob {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly layout: Layout;
  readonly staging: ChunkStaging;
  readonly group: GroupCommit;
  readonly board: ChunkBoard;
  readonly progress: TransferProgress;
  readonly createHasher: HasherFactory;
  /** What to call a file that is the whole transfer. */
  readonly name: string;
  /** Entries that the server could not read. */
  readonly excluded: ChunkSet;
  /** Keeps `excluded`, durably. */
  readonly keepExclusions: () => Promise<void>;
  /** Told of excluded entries. */
  readonly report: Report;
  /** Called now and then, when more is durable. */
  readonly onDurable: () => Promise<void>;
  /** Chunks whose held bytes are no longer what the server would send. */
  readonly fromStart: Set<number>;
}

/** How often the server is told that there was a sync point, in milliseconds. */
const TELL_EVERY_MS = 10_000;

/** Fetches every chunk that is to do, until all are durable here. */
export async function fetchChunks(job: PullJob): Promise<void> {
  const { board, context, session, group } = job;
  let toldAtMs = context.now();
  context.flow.begin(job.manifest.chunkSizeBytes);
  await runWorkers(
    session.parallel,
    context.signal,
    () => board.take(),
    async (chunk, signal) => {
      const own = session.withSignal(signal);
      await fetchOne(job, own, chunk);
      if (context.now() - toldAtMs < TELL_EVERY_MS) return;
      toldAtMs = context.now();
      await job.onDurable();
      await own.run(sync);
    },
  );
  board.reached((await group.request()).durableSyncPoint);
}

async function fetchOne(job: PullJob, session: SessionClient, chunk: number): Promise<void> {
  const { board, layout, group } = job;
  for (let round = 0; ; round += 1) {
    if (isEmptied(job, chunk)) {
      board.skip(chunk);
      return;
    }
    try {
      const digest = await session.run((at) => receiveOnce(job, at, chunk));
      const status = await group.finished();
      board.finish(chunk, digest, status.syncPoint);
      board.reached(status.durableSyncPoint);
      return;
    } catch (error) {
      // Each entry is named once, and perhaps once more by a server that was restarted.
      const isKnown = excludeReported(job, error, (index) => carries(layout, chunk, index));
      if (!isKnown || round > 2 * entriesIn(layout, chunk)) {
        board.giveBack(chunk);
        throw error;
      }
      // What is held of it may be bytes of an entry that comes as zeros from now on.
      job.fromStart.add(chunk);
      await job.keepExclusions();
    }
  }
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

function isEmptied({ excluded, layout }: PullJob, chunk: number): boolean {
  return excluded.size > 0 && layout.carriesOnly(chunk, (entryIndex) => excluded.has(entryIndex));
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
  const { entries } = error.details;
  const { manifest, excluded } = job;
  let found = false;
  for (const index of Array.isArray(entries) ? (entries as unknown[]) : []) {
    const entry = typeof index === 'number' ? manifest.entries.at(index) : undefined;
    if (entry === undefined || !mayName(index as number)) continue;
    found = true;
    if (excluded.has(index as number)) continue;
    excluded.add(index as number);
    const path = printable(entry.path === '' ? job.name : entry.path);
    job.report({
      type: 'warning',
      code: error.code,
      path,
      message: `"${path}" is left out: ${REASONS[error.code] ?? error.message}`,
    });
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
  const heldBytes = fromStart.has(chunk) ? 0 : (staging.held().get(chunk) ?? 0);
  const offset = heldBytes <= lengthBytes ? heldBytes : 0;
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
  const asked = context.compression.encodingFor(at.grant.encodings);
  const response = await getChunk(at, chunk, offset, asked);
  let received = 0;
  let answer: ChunkAnswer | undefined;
  try {
    answer = openAnswer(response, { chunk, asked, wantedBytes: lengthBytes - offset + digestLengthBytes });
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
    // Frees the connection where nobody began to read; the failure at hand matters more than that of this.
    if (received === 0) await response.discard().catch(() => undefined);
    const kept = staging.held().get(chunk) ?? 0;
    progress.lost(chunk, Math.max(0, offset + received - kept));
    if (kept > offset) context.retrier.progressed();
    // From here on what is held is of this very source.
    if (kept > 0) fromStart.delete(chunk);
    throw error;
  } finally {
    progress.saved(received - (answer?.wireBytes(received) ?? received));
  }
}
