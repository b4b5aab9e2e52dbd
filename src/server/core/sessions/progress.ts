/** The progress of a session, and the part of it that is written down with other changes of the record. */
import type { ReadonlyChunkSet } from '../../../checkpoint/chunk-set.ts';
import { isStream } from '../../../manifest/layout.ts';
import type { SessionChanges, SessionRecord } from '../../../session/record.ts';
import type { LiveSession } from './live-session.ts';
import type { TransferPlan } from './transfer-plan.ts';

/** The progress of a session. Null where it is unknown: the size of a stream, or chunks that are not open. */
export interface SessionProgress {
  readonly bytesTotal: number | null;
  /** Bytes of the chunks that a sync point covers; in a pull, of the sent ones. */
  readonly bytesDone: number | null;
  readonly chunksTotal: number | null;
  readonly chunksDone: number | null;
}

/** The numbers of open chunks, of a push or a pull. */
interface CountedChunks {
  readonly plan: TransferPlan;
  readonly done: ReadonlyChunkSet;
  readonly lengthOf: (chunk: number) => number;
}

/** The progress of a session: counted where its chunks are open, otherwise from its record. */
export async function progressOf(
  record: SessionRecord,
  live: LiveSession | undefined,
): Promise<SessionProgress> {
  const chunks = live === undefined ? undefined : await openChunksOf(live);
  const { bytesTotal = null, bytesDone = null } = record.pass;
  if (chunks === undefined) return { bytesTotal, bytesDone, chunksTotal: null, chunksDone: null };
  const { manifest, layout } = chunks.plan;
  return {
    bytesTotal: layout.bytesTotal ?? null,
    bytesDone: bytesOf(chunks),
    chunksTotal: isStream(manifest) ? null : layout.chunkCount,
    chunksDone: chunks.done.size,
  };
}

/** Changes that a session's record lacks by now, to be written together with an urgent one. */
export async function lastingChanges(live: LiveSession): Promise<SessionChanges> {
  const { value } = live.record;
  const { bytesTotal, bytesDone } = await progressOf(value, live);
  const { lastFailure: lastError } = live;
  return {
    pass: {
      ...(bytesTotal === null ? {} : { bytesTotal }),
      ...(bytesDone === null ? {} : { bytesDone }),
    },
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** Opens nothing: a mere look must not take descriptors. */
async function openChunksOf({ content }: LiveSession): Promise<CountedChunks | undefined> {
  // The request that opened them got the error.
  const incoming = await content.incoming.peek()?.catch(() => undefined);
  if (incoming !== undefined && !incoming.failed) {
    const { plan, staging } = incoming;
    return { plan, done: staging.digests.chunks, lengthOf: (chunk) => incoming.lengthOf(chunk) };
  }
  const outgoing = await content.outgoing.peek()?.catch(() => undefined);
  if (outgoing === undefined) return undefined;
  const { plan, digests } = outgoing;
  return { plan, done: digests.chunks, lengthOf: (chunk) => plan.layout.chunkLengthBytes(chunk) };
}

function bytesOf({ done, lengthOf }: CountedChunks): number {
  let bytes = 0;
  for (const chunk of done.values()) bytes += lengthOf(chunk);
  return bytes;
}
