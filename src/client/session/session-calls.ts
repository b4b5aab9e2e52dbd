/** One function for each route of the protocol. They try once and answer in the protocol's own messages. */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { FileDigests, type ReadonlyFileDigests } from '../../manifest/file-digests.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { splitLines } from '../../manifest/manifest-reader.ts';
import {
  CheckpointReply,
  CommitReply,
  Comparison,
  Empty,
  HeartbeatReply,
  PlanAccepted,
  SessionGrant,
  SyncStatus,
  type CommitRequest,
  type EstablishRequest,
  type Plan,
  type ResumeRequest,
} from '../../protocol/messages.ts';
import type { ChunkEncoding } from '../../protocol/encoding.ts';
import { HEADER, ROUTE } from '../../protocol/routes.ts';
import { readTree, type Notice } from '../../protocol/tree-stream.ts';
import type { HttpResponse, RequestBody } from '../http/connection.ts';
import type { AccessHeaders } from '../http/access.ts';
import { call, callJson, type Server } from '../http/server-calls.ts';

/** What makes a request one of a session. */
export interface SessionAccess {
  readonly server: Server;
  readonly grant: SessionGrant;
  readonly signal: AbortSignal | undefined;
}

const withGrant = ({
  grant,
  signal,
}: SessionAccess): { headers: Record<string, string>; signal: AbortSignal | undefined } => ({
  headers: { [HEADER.credential]: grant.credential, [HEADER.epoch]: String(grant.epoch) },
  signal,
});

/** Starts a session, or takes up the unfinished one with the same manifest. */
export function establish(
  server: Server,
  request: EstablishRequest,
  signal: AbortSignal,
): Promise<SessionGrant> {
  return server.access.run((headers) =>
    callJson(server, SessionGrant, 'the session', {
      method: 'POST',
      path: ROUTE.sessions(),
      json: request,
      headers,
      signal,
    }),
  );
}

/**
 * Takes the session over in a new epoch; a wish makes the sync mode of a push stricter.
 *
 * @param known the session, with the last credential of it that this client got, if it has one
 */
export function resumeSession(
  server: Server,
  { session, credential }: { readonly session: string; readonly credential?: string | undefined },
  request: ResumeRequest,
  signal: AbortSignal | undefined,
): Promise<SessionGrant> {
  const proof: Record<string, string> = credential === undefined ? {} : { [HEADER.credential]: credential };
  return server.access.run((headers) =>
    callJson(server, SessionGrant, 'the session', {
      method: 'POST',
      path: ROUTE.resume(session),
      json: request,
      headers: { ...headers, ...proof },
      signal,
    }),
  );
}

/** Sends the manifest of a push. */
export function putManifest(at: SessionAccess, body: RequestBody): Promise<Comparison> {
  const path = ROUTE.manifest(at.grant.session);
  return callJson(at.server, Comparison, 'the comparison', { method: 'PUT', path, body, ...withGrant(at) });
}

/** Fetches the manifest of a pull, checked. */
export async function getManifest(at: SessionAccess): Promise<{ manifest: Manifest; notices: Notice[] }> {
  const path = ROUTE.manifest(at.grant.session);
  const response = await call(at.server, { method: 'GET', path, ...withGrant(at) });
  return readTree(response.body);
}

/** Fetches the file digests of entries: by index, null where there is nothing to read. */
export async function getDigests(
  at: SessionAccess,
  entries: readonly number[],
): Promise<ReadonlyFileDigests> {
  const path = ROUTE.digests(at.grant.session);
  const asked = ChunkSet.fromRuns(entries, Infinity);
  const request = { method: 'POST', path, json: { entries }, isSlow: true, ...withGrant(at) } as const;
  const response = await call(at.server, request);
  const digests = new FileDigests();
  let end: number | undefined;
  for await (const lines of splitLines(response.body)) {
    for (const line of lines) {
      if (line === '') continue; // keeps the connection alive while the server works
      const [index, digest] = digestLine(line);
      if (index === 'end') end = Number(digest);
      else if (asked.has(index) && !digests.has(index)) digests.set(index, digest as string | null);
      // Or an answer without an end would fill the memory.
      else throw new CairnError('invalid-request', `nobody asked for the digest of entry ${index}`);
    }
  }
  if (end !== digests.size)
    throw new CairnError('chunk-incomplete', 'the list of digests was cut before its end');
  return digests;
}

function digestLine(line: string): readonly [index: number | 'end', digest: string | number | null] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new CairnError('invalid-request', 'a line of digests is no JSON', { cause: error });
  }
  const [index, digest] = Array.isArray(value) ? (value as unknown[]) : [];
  if (index === 'end' && typeof digest === 'number') return [index, digest];
  const isDigest = digest === null || (typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest));
  if (Number.isSafeInteger(index) && isDigest) return [index as number, digest];
  throw new CairnError('invalid-request', 'a line of digests has a wrong form');
}

/** Says what is not carried. */
export function putPlan(at: SessionAccess, plan: Plan): Promise<PlanAccepted> {
  const path = ROUTE.plan(at.grant.session);
  return callJson(at.server, PlanAccepted, 'the answer to the plan', {
    method: 'PUT',
    path,
    json: plan,
    ...withGrant(at),
  });
}

/** Fetches what the receiver of a push holds. */
export function getCheckpoint(at: SessionAccess): Promise<CheckpointReply> {
  const path = ROUTE.checkpoint(at.grant.session);
  return callJson(at.server, CheckpointReply, 'the checkpoint', { method: 'GET', path, ...withGrant(at) });
}

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
  const { headers, signal } = withGrant(at);
  const paced = at.server.bandwidth.paced(pieces, signal);
  const coding: Record<string, string> =
    encoded === undefined
      ? {}
      : {
          'content-encoding': encoded.encoding,
          [HEADER.decodedLength]: String(encoded.decodedBytes),
        };
  return callJson(at.server, SyncStatus, 'the answer to a chunk', {
    method: 'PUT',
    path: ROUTE.chunk(at.grant.session, chunk),
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
    path: ROUTE.chunk(at.grant.session, chunk),
    ...withGrant(at),
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
  const { headers, signal } = withGrant(at);
  const response = await call(at.server, {
    method: 'GET',
    path: ROUTE.chunk(at.grant.session, chunk),
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

/** Asks for a sync point, or says that there was one. */
export function sync(at: SessionAccess): Promise<SyncStatus> {
  const path = ROUTE.sync(at.grant.session);
  return callJson(at.server, SyncStatus, 'the answer to sync', {
    method: 'POST',
    path,
    json: {},
    ...withGrant(at),
  });
}

/** Keeps the lease; with the headers of an access token it also renews what the session is authorized by. */
export function heartbeat(at: SessionAccess, access: AccessHeaders = {}): Promise<HeartbeatReply> {
  const path = ROUTE.heartbeat(at.grant.session);
  const { headers, signal } = withGrant(at);
  return callJson(at.server, HeartbeatReply, 'the answer to a heartbeat', {
    method: 'POST',
    path,
    json: {},
    headers: { ...headers, ...access },
    signal,
  });
}

/** Leaves in an orderly way. */
export async function suspend(at: SessionAccess): Promise<void> {
  const path = ROUTE.suspend(at.grant.session);
  await callJson(at.server, Empty, 'the answer to suspend', {
    method: 'POST',
    path,
    json: {},
    ...withGrant(at),
  });
}

/** Agrees on the whole. `committing` means: ask again. */
export function commit(at: SessionAccess, request: CommitRequest): Promise<CommitReply> {
  const path = ROUTE.commit(at.grant.session);
  return callJson(at.server, CommitReply, 'the answer to commit', {
    method: 'POST',
    path,
    json: request,
    ...withGrant(at),
  });
}

/** Frees everything that the session holds. */
export async function abortSession(at: SessionAccess): Promise<void> {
  const path = ROUTE.session(at.grant.session);
  await callJson(at.server, Empty, 'the answer to an abort', { method: 'DELETE', path, ...withGrant(at) });
}
