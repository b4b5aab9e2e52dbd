/** One function for each route of a session but those of chunks. They try once and answer in the protocol's own messages. */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { FileDigests, type ReadonlyFileDigests } from '../../manifest/file-digest-table.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { UncarriedCounts } from '../../manifest/metadata.ts';
import { splitLines } from '../../manifest/manifest-reader.ts';
import {
  CheckpointReply,
  CommitReply,
  Comparison,
  Empty,
  HeartbeatReply,
  PlanAccepted,
  SessionTerms,
  SyncStatus,
  type CommitRequest,
  type EstablishRequest,
  type Plan,
  type ResumeRequest,
} from '../../wire/messages.ts';
import { TreeIdReply, type TreeIdRequest } from '../../wire/tree-id-messages.ts';
import { HEADER, REPLACE_ANY, ROUTE, TELL_UNCARRIED, type PLAN } from '../../wire/routes.ts';
import { readTree, type Notice } from '../../wire/tree-stream.ts';
import type { RequestBody } from '../http/http-message.ts';
import type { AccessHeaders } from '../http/access.ts';
import { call, callJson, type Call, type Server } from '../http/server-calls.ts';

/** What makes a request one of a session. */
export interface SessionAccess {
  readonly server: Server;
  readonly terms: SessionTerms;
  readonly signal: AbortSignal | undefined;
}

/** The part of a request that proves whose it is, and what ends it. */
export function withTerms({ terms, signal }: SessionAccess): {
  headers: Record<string, string>;
  signal: AbortSignal | undefined;
} {
  const headers = { [HEADER.credential]: terms.credential, [HEADER.epoch]: String(terms.epoch) };
  return { headers, signal };
}

/** Starts a session, or takes up the unfinished one with the same manifest. */
export function establish(
  server: Server,
  request: EstablishRequest,
  signal: AbortSignal,
): Promise<SessionTerms> {
  return server.access.run((headers) =>
    callJson(server, SessionTerms, 'the session', {
      method: 'POST',
      path: ROUTE.sessions(),
      json: request,
      headers,
      signal,
    }),
  );
}

/** Asks for the id of the tree at the target of a push, with its metadata of some kinds; null where that has none. */
export async function getTreeId(
  server: Server,
  { target, metadata }: TreeIdRequest,
  signal: AbortSignal,
): Promise<string | null> {
  const { id } = await server.access.run((headers) =>
    callJson(server, TreeIdReply, 'the tree id', {
      method: 'POST',
      path: ROUTE.treeId(),
      json: metadata === undefined ? { target } : { target, metadata },
      headers,
      signal,
    }),
  );
  return id;
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
): Promise<SessionTerms> {
  const proof: Record<string, string> = credential === undefined ? {} : { [HEADER.credential]: credential };
  return server.access.run((headers) =>
    callJson(server, SessionTerms, 'the session', {
      method: 'POST',
      path: ROUTE.resume(session),
      json: request,
      headers: { ...headers, ...proof },
      signal,
    }),
  );
}

/**
 * Sends the manifest of a push.
 *
 * @param wish.plan the one to be agreed at once, where there is nothing to think about
 * @param wish.forceReplace whether something of another type at the target itself gives way
 */
export function putManifest(
  at: SessionAccess,
  body: RequestBody,
  wish: {
    readonly plan?: typeof PLAN.proposed | typeof PLAN.proposedUnlessOlder | undefined;
    readonly forceReplace?: boolean | undefined;
  },
): Promise<Comparison> {
  const { headers, signal } = withTerms(at);
  if (wish.forceReplace === true) headers[HEADER.replace] = REPLACE_ANY;
  const request = { method: 'PUT', path: ROUTE.manifest(at.terms.session), body, headers, signal } as const;
  return callJson(at.server, Comparison, 'the comparison', withPlan(request, wish.plan));
}

/** What a pull is about, checked. */
interface PulledTree {
  readonly manifest: Manifest;
  /** What the server had to leave out. */
  readonly notices: readonly Notice[];
  /** How many entries have something that is not carried, where the caller wanted to know. */
  readonly uncarried: UncarriedCounts;
  /** Whether the plan that was asked for with it is agreed. */
  readonly isPlanAgreed: boolean;
}

/**
 * Fetches the manifest of a pull.
 *
 * @param wish.plan the one to be agreed at once
 * @param wish.isToTell whether the server is to say what it does not carry
 */
export async function getManifest(
  at: SessionAccess,
  { plan, isToTell }: { readonly plan: typeof PLAN.everything | undefined; readonly isToTell: boolean },
): Promise<PulledTree> {
  const { headers, signal } = withTerms(at);
  if (isToTell) headers[HEADER.uncarried] = TELL_UNCARRIED;
  const request = { method: 'GET', path: ROUTE.manifest(at.terms.session), headers, signal } as const;
  const response = await call(at.server, withPlan(request, plan));
  const isPlanAgreed = plan !== undefined && response.header(HEADER.plan) === plan;
  return { ...(await readTree(response.body)), isPlanAgreed };
}

function withPlan(request: Call, plan: string | undefined): Call {
  return plan === undefined ? request : { ...request, headers: { ...request.headers, [HEADER.plan]: plan } };
}

/** Fetches the file digests of entries: by index, null where there is nothing to read. */
export async function getDigests(
  at: SessionAccess,
  entries: readonly number[],
): Promise<ReadonlyFileDigests> {
  const path = ROUTE.digests(at.terms.session);
  const asked = ChunkSet.fromRuns(entries, Infinity);
  const request = { method: 'POST', path, json: { entries }, isSlow: true, ...withTerms(at) } as const;
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
      else
        throw new CairnError(
          'invalid-request',
          `the server sent the digest of entry ${index}, which this client did not ask for`,
        );
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

/** Tells the plan: which entries are not carried. */
export function putPlan(at: SessionAccess, plan: Plan): Promise<PlanAccepted> {
  const path = ROUTE.plan(at.terms.session);
  return callJson(at.server, PlanAccepted, 'the answer to the plan', {
    method: 'PUT',
    path,
    json: plan,
    ...withTerms(at),
  });
}

/** Fetches what the receiver of a push holds. */
export function getCheckpoint(at: SessionAccess): Promise<CheckpointReply> {
  const path = ROUTE.checkpoint(at.terms.session);
  return callJson(at.server, CheckpointReply, 'the checkpoint', { method: 'GET', path, ...withTerms(at) });
}

/** Asks for a sync point, or says that there was one. */
export function sync(at: SessionAccess): Promise<SyncStatus> {
  const path = ROUTE.sync(at.terms.session);
  return callJson(at.server, SyncStatus, 'the answer to sync', {
    method: 'POST',
    path,
    json: {},
    ...withTerms(at),
  });
}

/** Keeps the lease; with the headers of an access token it also renews what the session is authorized by. */
export function heartbeat(at: SessionAccess, access: AccessHeaders = {}): Promise<HeartbeatReply> {
  const path = ROUTE.heartbeat(at.terms.session);
  const { headers, signal } = withTerms(at);
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
  const path = ROUTE.suspend(at.terms.session);
  await callJson(at.server, Empty, 'the answer to suspend', {
    method: 'POST',
    path,
    json: {},
    ...withTerms(at),
  });
}

/** Agrees on the whole; what the server cannot publish it names, and publishes the rest. `committing` means: ask again. */
export function commit(at: SessionAccess, request: CommitRequest): Promise<CommitReply> {
  const path = ROUTE.commit(at.terms.session);
  return callJson(at.server, CommitReply, 'the answer to commit', {
    method: 'POST',
    path,
    json: { ...request, leaveOut: true },
    ...withTerms(at),
  });
}

/** Frees everything that the session holds. */
export async function abortSession(at: SessionAccess): Promise<void> {
  const path = ROUTE.session(at.terms.session);
  await callJson(at.server, Empty, 'the answer to an abort', { method: 'DELETE', path, ...withTerms(at) });
}
