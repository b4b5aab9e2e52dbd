/** `PUT` and `HEAD sessions/{id}/chunks/{n}`: a chunk of a push comes in, in one request or several. */
import { CairnError } from '../../../base/errors.ts';
import { DIGEST_LENGTH_BYTES, type HasherFactory } from '../../../manifest/digest.ts';
import { isStream } from '../../../manifest/layout.ts';
import { HEADER } from '../../../wire/routes.ts';
import { decodeBody } from '../../../transfer/chunk-encoding.ts';
import { receiveChunk, type ExpectedChunk } from '../../../transfer/chunk-transfer.ts';
import type { ChunkStaging } from '../../../storage/content-store.ts';
import type { ChunkWriter } from '../../../transfer/chunk-store.ts';
import { contentLengthOf, openBody, type Exchange } from '../../http/exchange.ts';
import type { IncomingChunks } from '../../core/sessions/incoming-chunks.ts';
import { checkBytes, openUsage } from '../../core/quota/quota.ts';
import type { LiveSession } from '../../core/sessions/live-session.ts';
import { encodingOf, type EncodedRequest } from './chunk-encoding.ts';
import { sendEmpty, sendJson } from '../../http/reply.ts';
import type { ServerContext } from '../../server-context.ts';
import { withSession, type SessionWork } from './session-request.ts';

/** Takes the bytes of a chunk. Everything that can be refused is refused before the body is asked for. */
export function handlePutChunk(
  context: ServerContext,
  exchange: Exchange,
  id: string,
  chunk: number,
): Promise<void> {
  const call = { id, event: 'transfer', direction: 'push', chunk, mayBeLate: true } as const;
  return withSession(context, exchange, call, async (work) => {
    const chunks = await work.live.content.incoming.get();
    const encoded = encodingOf(exchange, work.live.record.value);
    const expected = expectationOf(exchange, chunks, chunk, encoded);
    chunks.checkStreamOrder(chunk, expected.lengthBytes);
    await growStream(context, work.live, chunks, expected);
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
      digest = await receive(bodyOf(exchange, chunk, encoded), chunks, expected, { fence, onWritten });
    } catch (error) {
      throw tellable(chunks, chunk, error);
    } finally {
      const twiceBytes = Math.max(0, Math.min(offset + receivedBytes, thereBytes) - offset);
      context.metrics.received(receivedBytes, twiceBytes);
    }
    const status = await work.live.content.finishChunk(chunks, chunk, { digest, lengthBytes });
    context.log.debug({ session: id, chunk, offset, lengthBytes }, 'chunk received');
    await sendJson(exchange, 200, status);
  });
}

/** The size of a stream was not known when its plan was agreed. @throws CairnError `quota-exceeded`, `server-busy`, `storage-full` */
async function growStream(
  { room, usage }: ServerContext,
  { id, record }: LiveSession,
  { plan: { manifest } }: IncomingChunks,
  { chunk, lengthBytes }: ExpectedChunk,
): Promise<void> {
  const { authorization } = record.value;
  const bytes = chunk * manifest.chunkSizeBytes + lengthBytes;
  if (!isStream(manifest)) return;
  await openUsage(usage);
  const beforeBytes = usage.tally.bytesOf(id);
  // First: a chunk that the quota does not let through takes no room from others.
  if (authorization !== undefined && bytes > beforeBytes) checkBytes(usage, authorization, id, bytes);
  try {
    await room.growStream(id, bytes + (record.value.manifestBytes ?? 0));
  } catch (error) {
    if (usage.tally.bytesOf(id) === bytes) usage.tally.reserve(id, { bytes: beforeBytes });
    throw error;
  }
}

/** What a writer that was cut off means to its client, which knows nothing of writers. */
function tellable({ failed }: IncomingChunks, chunk: number, error: unknown): unknown {
  // The end of the staging cut the writer off, as another one would have; its client has to resume.
  if (failed) return new CairnError('session-suspended', 'a sync point failed', { cause: error });
  if (!(error instanceof CairnError) || error.code !== 'chunk-conflict') return error;
  // Who is of this epoch has asked twice, and what was sent first may come last: it has to ask where the chunk goes on.
  const message = `another request for chunk ${chunk} took over before this one was whole`;
  return new CairnError('chunk-offset-mismatch', message, { cause: error, details: { chunk } });
}

/** Tells how many bytes of a chunk are there, whole or held. */
export function handleHeadChunk(
  context: ServerContext,
  exchange: Exchange,
  id: string,
  chunk: number,
): Promise<void> {
  const call = { id, event: 'transfer', direction: 'push', chunk } as const;
  return withSession(context, exchange, call, async ({ live }) => {
    const chunks = await live.content.incoming.get();
    await sendEmpty(exchange, 200, { 'Cairn-Offset': String(bytesThere(chunks, chunk)) });
  });
}

function isThere(chunks: IncomingChunks, chunk: number): boolean {
  return chunks.digestOf(chunk) !== undefined && !chunks.staging.held().has(chunk);
}

/** How many of a chunk's first bytes are there, whole or held. @throws CairnError `chunk-out-of-range` */
function bytesThere(chunks: IncomingChunks, chunk: number): number {
  const lengthBytes = chunks.lengthOf(chunk);
  return isThere(chunks, chunk) ? lengthBytes : (chunks.staging.held().get(chunk) ?? 0);
}

/** Where in its chunk a request begins. @throws CairnError `invalid-request` */
export function offsetOf({ request }: Exchange): number {
  const text = request.headers[HEADER.offset];
  if (text === undefined) return 0;
  if (typeof text === 'string' && /^(0|[1-9][0-9]{0,9})$/.test(text)) return Number(text);
  throw new CairnError('invalid-request', 'Cairn-Offset is no count of bytes');
}

function expectationOf(
  exchange: Exchange,
  chunks: IncomingChunks,
  chunk: number,
  encoded: EncodedRequest | undefined,
): ExpectedChunk {
  const { manifest, layout } = chunks.plan;
  const offset = offsetOf(exchange);
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const most = layout.chunkLengthBytes(chunk);
  // A proxy may have taken the length away (chunked coding): then only what was announced counts, and what arrives.
  const announced = encoded?.decodedBytes ?? contentLengthOf(exchange) ?? announcedBytes(exchange);
  const bodyBytes = announced ?? (isStream(manifest) ? undefined : most - offset + digestLengthBytes);
  if (bodyBytes === undefined)
    throw new CairnError('invalid-request', 'a chunk of a stream needs a Content-Length');
  const lengthBytes = isStream(manifest) ? offset + bodyBytes - digestLengthBytes : most;
  const wanted = lengthBytes - offset + digestLengthBytes;
  if (offset > lengthBytes || bodyBytes !== wanted || lengthBytes > most || lengthBytes < 1) {
    throw new CairnError(
      'invalid-request',
      `chunk ${chunk} has ${most} bytes and a digest of ${digestLengthBytes}; a body of ${bodyBytes} bytes from ${offset} on does not fit`,
    );
  }
  checkOffset(chunks, chunk, offset);
  return { chunk, offset, lengthBytes, digestLengthBytes, createHasher: chunks.createHasher };
}

/** How many bytes the body has, as its sender says beside the `Content-Length`. */
function announcedBytes({ request }: Exchange): number | undefined {
  const text = request.headers[HEADER.decodedLength];
  return typeof text === 'string' && /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
}

function checkOffset(chunks: IncomingChunks, chunk: number, offset: number): void {
  if (offset === 0) return;
  const heldBytes = bytesThere(chunks, chunk);
  if (offset === heldBytes) return;
  throw new CairnError('chunk-offset-mismatch', `chunk ${chunk} goes on at byte ${heldBytes}`, {
    details: { chunk, heldBytes },
  });
}

/** The body as it was before it was encoded. */
function bodyOf(
  exchange: Exchange,
  chunk: number,
  encoded: EncodedRequest | undefined,
): AsyncIterable<Uint8Array> {
  const body = openBody(exchange);
  return encoded === undefined ? body : decodeBody(body, { encoding: encoded.encoding, chunk });
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
    held: () => new Map(),
    write: async () => writer,
    read: (chunk) => staging.read(chunk),
    sync: () => staging.sync(),
    verify: () => staging.verify(),
    forget: (chunks) => staging.forget(chunks),
    publish: (order) => staging.publish(order),
    close: () => staging.close(),
  };
}

/** At the write, not only at the door: a newer epoch, or a commit that looks at the chunks, comes first. */
function checkUnsealed({ live, epoch }: SessionWork): void {
  live.record.checkEpoch(epoch);
  const { state } = live.record.value;
  if (!live.sealed && state === 'open') return;
  throw new CairnError('session-state', 'the session takes no chunks while it is being committed', {
    details: { state },
  });
}
