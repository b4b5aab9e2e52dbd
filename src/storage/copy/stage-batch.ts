/** Brings the chunks of a batch into the staging of the target, and reads them back. */
import { CairnError } from '../../base/errors.ts';
import { sideBySide } from '../../base/side-by-side.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, type HasherFactory } from '../../manifest/digest.ts';
import type { Layout, Segment } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { chunkAgrees } from '../../transfer/chunk-agrees.ts';
import { receiveChunk, sendChunk } from '../../transfer/chunk-transfer.ts';
import { isOfOneEntry } from '../../transfer/refused-entries.ts';
import type { ChunkStaging, ContentStore } from '../content-store.ts';
import type { CopyReport } from './copy-report.ts';

const CHUNKS_AT_A_TIME = 4;
/** A sync point of a disk covers so many bytes. */
const SYNC_BYTES = 64 * 1024 * 1024;
/** How often wrong bytes are copied again before the target counts as broken. */
const TRIES = 2;

/** A batch on its way. */
export interface StagedBatch {
  readonly from: Pick<ContentStore, 'read'>;
  readonly manifest: Manifest;
  readonly identities: StringList;
  readonly layout: Layout;
  readonly staging: ChunkStaging;
  /** Whether staged chunks are durable only after a sync. */
  readonly isGrouped: boolean;
  readonly report: Pick<CopyReport, 'copied' | 'wasThere'>;
  readonly signal: AbortSignal;
}

/** A file that cannot be read whole: the batch has to do without it. */
export interface UnreadableEntry {
  readonly entryIndex: number;
  readonly error: CairnError;
}

/**
 * Copies the chunks that are not staged yet, and reads all of them back; what is wrong is copied once more. Answers the first
 * entry that cannot be read, where there is one: then not all chunks are staged.
 *
 * @throws CairnError `verify-failed`, storage codes; the reason of the signal
 */
export async function stageBatch(batch: StagedBatch): Promise<UnreadableEntry | undefined> {
  const createHasher = await loadHasher(batch.manifest.digest);
  const { layout, staging, report } = batch;
  for (const chunk of staging.digests.chunks.copy().values()) report.wasThere(layout.chunkLengthBytes(chunk));
  for (let tries = 1; ; tries += 1) {
    const unreadable = await copyChunks(batch, createHasher);
    if (unreadable !== undefined) return unreadable;
    await staging.sync();
    const wrong = await wrongChunks(batch, createHasher);
    if (wrong.length === 0) return undefined;
    await staging.forget(wrong);
    if (tries < TRIES) continue;
    const message = `the target gives other bytes back than were put into it, twice (${wrong.length} chunks); its disk or service is broken`;
    throw new CairnError('verify-failed', message);
  }
}

async function copyChunks(
  batch: StagedBatch,
  createHasher: HasherFactory,
): Promise<UnreadableEntry | undefined> {
  const { layout, staging, isGrouped, report, signal } = batch;
  let unsyncedBytes = 0;
  let unreadable: UnreadableEntry | undefined;
  const copyOne = async (chunk: number): Promise<void> => {
    signal.throwIfAborted();
    await copyChunk(batch, { chunk, createHasher, onUnreadable: (entry) => (unreadable ??= entry) });
    const lengthBytes = layout.chunkLengthBytes(chunk);
    report.copied(lengthBytes);
    unsyncedBytes += lengthBytes;
    if (!isGrouped || unsyncedBytes < SYNC_BYTES) return;
    unsyncedBytes = 0;
    await staging.sync();
  };
  try {
    await sideBySide(missingChunks(batch), CHUNKS_AT_A_TIME, copyOne);
  } catch (error) {
    if (unreadable === undefined) throw error;
  }
  return unreadable;
}

function* missingChunks({ layout, staging }: StagedBatch): Generator<number> {
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) if (!staging.digests.has(chunk)) yield chunk;
}

async function copyChunk(
  { from, manifest, identities, layout, staging }: StagedBatch,
  {
    chunk,
    createHasher,
    onUnreadable,
  }: {
    readonly chunk: number;
    readonly createHasher: HasherFactory;
    readonly onUnreadable: (entry: UnreadableEntry) => void;
  },
): Promise<void> {
  const offset = staging.partialChunks().get(chunk) ?? 0;
  async function* read({ entryIndex, entryOffset, lengthBytes }: Segment): AsyncGenerator<Uint8Array> {
    const range = { from: entryOffset, to: entryOffset + lengthBytes };
    try {
      yield* from.read(manifest.entries.pathOf(entryIndex), range, identities.at(entryIndex));
    } catch (error) {
      if (isOfSource(error)) onUnreadable({ entryIndex, error });
      throw error;
    }
  }
  const source = sendChunk(layout.segmentsOf(chunk), read, {
    createHasher,
    offset,
    onDigest: () => undefined,
  });
  const lengthBytes = layout.chunkLengthBytes(chunk);
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  await receiveChunk(source, staging, { chunk, offset, lengthBytes, digestLengthBytes, createHasher });
}

function isOfSource(error: unknown): error is CairnError {
  return isOfOneEntry(error) || (error instanceof CairnError && error.code.startsWith('source-'));
}

async function wrongChunks(
  { layout, staging, signal }: StagedBatch,
  createHasher: HasherFactory,
): Promise<number[]> {
  const wrong: number[] = [];
  const chunks = Array.from({ length: layout.chunkCount }, (_, chunk) => chunk);
  await sideBySide(chunks, CHUNKS_AT_A_TIME, async (chunk) => {
    signal.throwIfAborted();
    const digest = staging.digests.get(chunk);
    if (digest === undefined || !(await chunkAgrees(staging.read(chunk), digest, createHasher)))
      wrong.push(chunk);
  });
  return wrong;
}
