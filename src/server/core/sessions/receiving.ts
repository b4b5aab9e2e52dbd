/** Receives a chunk of a push: checks what may come and from where on, and grows a stream. */
import { CairnError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/logger.ts';
import { DIGEST_LENGTH_BYTES, type HasherFactory } from '../../../manifest/digest.ts';
import { isStream } from '../../../manifest/layout.ts';
import { nextState } from '../../../session/record.ts';
import type { ChunkStaging } from '../../../storage/content-store.ts';
import type { ChunkWriter } from '../../../transfer/chunk-store.ts';
import { receiveChunk, type ExpectedChunk } from '../../../transfer/chunk-transfer.ts';
import { offsetMismatch } from '../../../transfer/offset-mismatch.ts';
import type { SyncStatus } from '../../../wire/messages.ts';
import { announcementOf } from '../quota/announcements.ts';
import { checkBytes, openUsage, type Usage } from '../quota/quota.ts';
import type { SessionWork } from './admission.ts';
import type { IncomingChunks } from './incoming-chunks.ts';
import type { LiveSession } from './live-session.ts';
import type { StagingRoom } from './staging-room.ts';

/** The part of a chunk that comes. */
export interface ComingPart {
  readonly chunk: number;
  /** Where in the chunk it begins. */
  readonly offset: number;
  /** Bytes of the part and the digest, as far as they are known. */
  readonly bodyBytes: number | undefined;
  /** Opens the body. Called only when nothing is left to refuse. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/**
 * Stages the bytes of a chunk and answers which sync point covers it. Everything that can be refused is refused
 * before the bytes are read.
 *
 * @throws CairnError `invalid-request`, `chunk-out-of-range`, `chunk-offset-mismatch`, `session-state`,
 * `session-suspended`, `session-fenced`, `quota-exceeded`, `chunk-digest-mismatch`, storage codes
 */
export type Receive = (work: SessionWork, part: ComingPart) => Promise<SyncStatus>;

/** The parts that receive chunks. */
export interface ReceivingOptions {
  readonly room: Pick<StagingRoom, 'growStream'>;
  readonly usage: Usage;
  /** Called with the received bytes of a chunk, and how many of them were there before. */
  readonly onReceived: (bytes: number, twiceBytes: number) => void;
  readonly log: Logger;
}

/** Makes the function that receives the chunks of one server. */
export function createReceive({ room, usage, onReceived, log }: ReceivingOptions): Receive {
  return async (work, part) => {
    const { live } = work;
    const { chunk } = part;
    const chunks = await live.content.incoming.get();
    const expected = expectationOf(chunks, part);
    chunks.checkStreamOrder(chunk, expected.lengthBytes);
    await growStream({ room, usage }, live, chunks, expected);
    const fence = (): void => {
      checkUnsealed(work);
      chunks.checkStreamOrder(chunk, expected.lengthBytes);
    };
    checkUnsealed(work);
    const { lengthBytes, offset } = expected;
    const thereBytes = bytesThere(chunks, chunk);
    let receivedBytes = 0;
    const onWritten = (bytes: number): void => {
      receivedBytes += bytes;
      chunks.written(bytes);
    };
    let digest: Uint8Array;
    try {
      digest = await receive(part.open(), chunks, expected, { fence, onWritten });
    } catch (error) {
      throw tellable(chunks, chunk, error);
    } finally {
      onReceived(receivedBytes, Math.max(0, Math.min(offset + receivedBytes, thereBytes) - offset));
    }
    const status = await live.content.finishChunk(chunks, chunk, { digest, lengthBytes });
    log.debug({ session: live.id, chunk, offset, lengthBytes }, 'chunk received');
    return status;
  };
}

/**
 * Reserves room as a stream grows: its size was not known when its plan was agreed. @throws CairnError
 * `quota-exceeded`, `server-busy`, `storage-full`
 */
async function growStream(
  { room, usage }: Pick<ReceivingOptions, 'room' | 'usage'>,
  { id, record }: LiveSession,
  { plan: { manifest } }: IncomingChunks,
  { chunk, lengthBytes }: ExpectedChunk,
): Promise<void> {
  const { authorization } = record.value;
  const bytes = chunk * manifest.chunkSizeBytes + lengthBytes;
  if (!isStream(manifest)) return;
  const beforeBytes = usage.tally.bytesOf(id);
  await openUsage(usage, bytes > beforeBytes ? announcementOf(record.value, { bytes }) : undefined);
  // First: a chunk that the quota refuses takes no room from others.
  if (authorization !== undefined && bytes > beforeBytes)
    checkBytes(usage, authorization, record.value, bytes);
  try {
    await room.growStream(id, bytes + (record.value.pass.manifestBytes ?? 0));
  } catch (error) {
    if (usage.tally.bytesOf(id) === bytes) usage.tally.reserve(id, { bytes: beforeBytes });
    throw error;
  }
}

/** The error for a client whose writer was cut off, since a client knows nothing of writers. */
function tellable({ failed }: IncomingChunks, chunk: number, error: unknown): unknown {
  // The end of the staging cut the writer off, as another writer would have; the client has to resume.
  if (failed) return new CairnError('session-suspended', 'a sync point failed', { cause: error });
  if (!(error instanceof CairnError) || error.code !== 'chunk-conflict') return error;
  // The client of this epoch has asked twice, and the first request may arrive last: it has to ask where the chunk
  // goes on.
  const message = `another request for chunk ${chunk} replaced this one before it was whole`;
  return new CairnError('chunk-offset-mismatch', message, { cause: error, details: { chunk } });
}

function isThere(chunks: IncomingChunks, chunk: number): boolean {
  return chunks.digestOf(chunk) !== undefined && !chunks.staging.partialChunks().has(chunk);
}

/** How many of a chunk's first bytes are there, whole or partial. @throws CairnError `chunk-out-of-range` */
export function bytesThere(chunks: IncomingChunks, chunk: number): number {
  const lengthBytes = chunks.lengthOf(chunk);
  return isThere(chunks, chunk) ? lengthBytes : (chunks.staging.partialChunks().get(chunk) ?? 0);
}

function expectationOf(chunks: IncomingChunks, { chunk, offset, bodyBytes }: ComingPart): ExpectedChunk {
  const { manifest, layout } = chunks.plan;
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const most = layout.chunkLengthBytes(chunk);
  const bytes = bodyBytes ?? (isStream(manifest) ? undefined : most - offset + digestLengthBytes);
  if (bytes === undefined)
    throw new CairnError('invalid-request', 'a chunk of a stream needs a Content-Length');
  const lengthBytes = isStream(manifest) ? offset + bytes - digestLengthBytes : most;
  const wanted = lengthBytes - offset + digestLengthBytes;
  if (offset > lengthBytes || bytes !== wanted || lengthBytes > most || lengthBytes < 1) {
    throw new CairnError(
      'invalid-request',
      `chunk ${chunk} has ${most} bytes and a digest of ${digestLengthBytes}; a body of ${bytes} bytes from ${offset} on does not fit`,
    );
  }
  checkOffset(chunks, chunk, offset);
  return { chunk, offset, lengthBytes, digestLengthBytes, createHasher: chunks.createHasher };
}

function checkOffset(chunks: IncomingChunks, chunk: number, offset: number): void {
  if (offset === 0) return;
  const thereBytes = bytesThere(chunks, chunk);
  if (offset !== thereBytes) throw offsetMismatch(chunk, thereBytes);
}

function receive(
  body: AsyncIterable<Uint8Array>,
  chunks: IncomingChunks,
  expected: ExpectedChunk,
  { fence, onWritten }: { fence: () => void; onWritten: (bytes: number) => void },
): Promise<Uint8Array> {
  const { chunk, offset } = expected;
  const known = offset > 0 && isThere(chunks, chunk) ? chunks.digestOf(chunk) : undefined;
  if (known === undefined) {
    return receiveChunk(body, chunks.staging, expected, { fence, onWritten });
  }
  // All bytes are there and were checked: the reply to them was lost. Only the digest comes again.
  const nothing = { ...expected, offset: 0, lengthBytes: 0, createHasher: digestIs(known) };
  return receiveChunk(body, untouched(chunks.staging), nothing, { fence });
}

function digestIs(known: Uint8Array): HasherFactory {
  return () => ({ update: () => undefined, digest: () => known });
}

/** A staging that takes nothing: what is there stays as it is. */
function untouched(staging: ChunkStaging): ChunkStaging {
  const writer: ChunkWriter = {
    write: async () => undefined,
    finish: async () => undefined,
    hold: async () => undefined,
    drop: async () => undefined,
  };
  return {
    digests: staging.digests,
    partialChunks: () => new Map(),
    write: async () => writer,
    read: (chunk) => staging.read(chunk),
    sync: () => staging.sync(),
    verify: () => staging.verify(),
    forget: (chunks) => staging.forget(chunks),
    publish: (order) => staging.publish(order),
    close: () => staging.close(),
  };
}

/**
 * Checked at the write, not only before it: a newer epoch, a commit that looks at the chunks or a failed sync point
 * comes first.
 */
function checkUnsealed({ live, epoch }: SessionWork): void {
  live.record.checkEpoch(epoch);
  const { state } = live.record.value;
  if (live.sealed) {
    const message = 'the session takes no chunks while it is being committed';
    throw new CairnError('session-state', message, { details: { state } });
  }
  nextState(live.record.value, 'transfer');
}
