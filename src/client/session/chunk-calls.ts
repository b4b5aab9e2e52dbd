/** The requests that move chunks. */
import type { ChunkEncoding } from '../../session/encoding.ts';
import { SyncStatus } from '../../wire/messages.ts';
import { HEADER, ROUTE } from '../../wire/routes.ts';
import type { HttpResponse } from '../http/http-message.ts';
import { call, callJson } from '../http/server-calls.ts';
import { withTerms, type SessionAccess } from './session-calls.ts';

/** A chunk's bytes from an offset on, and its digest. */
export interface ChunkBody {
  /** Bytes of the body as it is sent. */
  readonly lengthBytes: number;
  readonly pieces: AsyncIterable<Uint8Array>;
  /** How it is encoded, and what it decodes to; undefined where it goes as it is. */
  readonly encoded?: { readonly encoding: ChunkEncoding; readonly decodedBytes: number };
}

/** Sends a chunk from `offset` on. */
export function putChunk(
  at: SessionAccess,
  chunk: number,
  offset: number,
  { lengthBytes, pieces, encoded }: ChunkBody,
): Promise<SyncStatus> {
  const { headers, signal } = withTerms(at);
  const paced = at.server.bandwidth.paced(pieces, signal);
  // Said twice: a proxy may take the Content-Length away.
  const coding: Record<string, string> = {
    [HEADER.decodedLength]: String(encoded?.decodedBytes ?? lengthBytes),
    ...(encoded === undefined ? {} : { 'content-encoding': encoded.encoding }),
  };
  return callJson(at.server, SyncStatus, 'the answer to a chunk', {
    method: 'PUT',
    path: ROUTE.chunk(at.terms.session, chunk),
    isChunk: true,
    body: { type: 'application/octet-stream', lengthBytes, pieces: paced },
    headers: { ...headers, ...offsetHeader(offset), ...coding },
    signal,
  });
}

const offsetHeader = (offset: number): Record<string, string> =>
  offset === 0 ? {} : { [HEADER.offset]: String(offset) };

/** How many bytes the receiver of a push holds of a chunk. */
export async function headChunk(at: SessionAccess, chunk: number): Promise<number> {
  const response = await call(at.server, {
    method: 'HEAD',
    path: ROUTE.chunk(at.terms.session, chunk),
    ...withTerms(at),
  });
  await response.discard();
  const text = response.header(HEADER.offset) ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : 0;
}

/**
 * Asks for a chunk of a pull from `offset` on, in an encoding where one is given and the server finds that it pays. The
 * caller reads the body: bytes, then digest.
 */
export async function getChunk(
  at: SessionAccess,
  chunk: number,
  offset: number,
  encoding?: ChunkEncoding,
): Promise<HttpResponse> {
  const { headers, signal } = withTerms(at);
  const response = await call(at.server, {
    method: 'GET',
    path: ROUTE.chunk(at.terms.session, chunk),
    isChunk: true,
    headers: {
      ...headers,
      ...offsetHeader(offset),
      ...(encoding === undefined ? {} : { 'accept-encoding': encoding }),
    },
    signal,
  });
  return { ...response, body: at.server.bandwidth.paced(response.body, signal) };
}
