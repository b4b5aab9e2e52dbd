/** `POST sessions` and `POST sessions/{id}/resume`. */
import { CairnError } from '../../../base/errors.ts';
import { printable, targetPathOf } from '../../../base/safe-path.ts';
import { DIGEST_ALGORITHMS, isDigestAlgorithm, type DigestAlgorithm } from '../../../manifest/digest.ts';
import { chunkSizeFor, UNKNOWN_TREE_CHUNK_SIZE_BYTES } from '../../../manifest/chunk-size.ts';
import { CHUNK_SIZE_RANGE } from '../../../manifest/manifest.ts';
import {
  checkProtocolMajor,
  EstablishRequest,
  ResumeRequest,
  type SessionGrant,
} from '../../../wire/messages.ts';
import { PROTOCOL_VERSION } from '../../../wire/routes.ts';
import { stricterSync } from '../../../session/sync-mode.ts';
import { createSessionId, issueSecret, sessionIdOf } from '../../../session/credential.ts';
import { isLeaseOver, leaseEnd, type SessionRecord } from '../../../session/record.ts';
import { mayCompare } from '../../../session/scopes.ts';
import { isTerminal } from '../../../session/state.ts';
import type { Authorization } from '../../../session/authorization.ts';
import { authenticate, credentialOf } from '../../http/authorize.ts';
import type { Exchange } from '../../http/exchange.ts';
import { resumeCommit } from './commit.ts';
import { encodingsOf, grantOf, resumeSession, type Resuming } from '../../core/sessions/grant.ts';
import { checkAllowsSession } from '../../core/sessions/renewal.ts';
import { checkNewSession, openUsage } from '../../core/quota/quota.ts';
import { sendJson } from '../../http/reply.ts';
import { readJson } from '../../http/request-json.ts';
import type { ServerContext } from '../../server-context.ts';
import { checkPrincipal, refuseExpired } from './session-request.ts';

/** Starts a session, or resumes the unfinished one that the client means. */
export async function handleEstablish(context: ServerContext, exchange: Exchange): Promise<void> {
  const authorization = await authenticate(context, exchange);
  const { principal } = authorization;
  const limit = { maxBytes: context.limits.maxJsonBytes, what: 'the request for a session' };
  const request = await readJson(exchange, EstablishRequest, limit);
  checkProtocolMajor(request.protocol.major, PROTOCOL_VERSION.major);
  const target = targetPathOf(request.target);
  checkAllowsSession(authorization, { direction: request.direction, target });
  const found = await lookAtTarget(context, request.direction, target, authorization);
  const digest = chooseDigest(request.digests);
  const { requestId } = request;
  const id =
    requestId === undefined ? createSessionId() : sessionIdOf(context.sessionKey, principal, requestId);
  const asking: Asking = { authorization, address: exchange.address, target, ...found, request };
  const earlier = (await findUnfinished(context, asking)) ?? (await findAnswered(context, asking, id));
  if (earlier !== undefined) {
    await sendJson(exchange, 200, earlier);
    return;
  }
  const { secret, hash } = issueSecret();
  const record = newRecord(context, asking, { id, digest, credentialHash: hash });
  if (!(await create(context, record, authorization))) {
    // An earlier try of this very request has only now got so far.
    await sendJson(exchange, 200, await findAnswered(context, asking, id));
    return;
  }
  const { direction } = record;
  const { id: by } = authorization;
  const fields = { session: id, principal, by, from: exchange.address, direction, target: printable(target) };
  context.log.info(fields, 'session established');
  await sendJson(exchange, 201, { ...grantOf(record, secret, { context, resumed: false }), ...found.there });
}

/** A request for a session, and in whose name. */
interface Asking {
  readonly authorization: Authorization;
  readonly address: string;
  readonly target: string;
  /** What the client may know of the target. */
  readonly there: Pick<SessionGrant, 'isTargetNew' | 'fileBytes'>;
  /** Whether something is at the target of a push. */
  readonly keepsTarget: boolean;
  readonly request: EstablishRequest;
}

/**
 * Keeps a new record; false where its id was taken meanwhile.
 *
 * @throws CairnError `server-busy`, `quota-exceeded`, storage codes
 */
async function create(
  context: ServerContext,
  record: SessionRecord,
  authorization: Authorization,
): Promise<boolean> {
  await openUsage(context.usage);
  checkNewSession(context.usage, { authorization, session: record.id }, context.limits);
  try {
    await context.sessions.create(record);
  } catch (error) {
    if ((await context.sessions.get(record.id)) === undefined) throw error;
    return false;
  }
  return true;
}

/** Resumes a session by its id. */
export async function handleResume(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  const authorization = await authenticate(context, exchange);
  const limit = { maxBytes: context.limits.maxJsonBytes, what: 'the request to resume' };
  const { sync, encodings } = await readJson(exchange, ResumeRequest, limit);
  const credential = credentialOf(exchange);
  const grant = await context.live.use(id, async (live) => {
    checkPrincipal(live, authorization.principal);
    await refuseExpired(context, live);
    const { address } = exchange;
    return resumeSession(context, live, { sync, encodings, authorization, credential, address });
  });
  await sendJson(exchange, 200, grant);
}

/** Refuses early what could only fail later; answers what a client may want to know of the target before all else. */
async function lookAtTarget(
  context: ServerContext,
  direction: 'push' | 'pull',
  target: string,
  { scopes }: Authorization,
): Promise<Pick<Asking, 'there' | 'keepsTarget'>> {
  if (direction === 'pull') {
    const [there] = await context.content.lookup([target]);
    if (there === undefined) throw new CairnError('not-found', `there is nothing at "${printable(target)}"`);
    const { type, sizeBytes } = there.entry;
    return { there: type === 'file' ? { fileBytes: sizeBytes } : {}, keepsTarget: false };
  }
  const names = target.split('/').slice(0, -1);
  const parents = names.map((_, index) => names.slice(0, index + 1).join('/'));
  const isBlind = !mayCompare(scopes);
  // Who may not know what is there learns of it neither here nor by what fails.
  const pass = isBlind ? (): void => undefined : undefined;
  const found = await context.content.lookup([...parents, target], pass);
  const isTargetNew = found.pop() === undefined;
  if (isBlind) return { there: {}, keepsTarget: !isTargetNew };
  for (const [index, parent] of found.entries()) {
    const type = parent?.entry.type ?? 'directory';
    if (type === 'directory') continue;
    const code = type === 'symlink' ? 'symlink-refused' : 'not-directory';
    throw new CairnError(code, `the target is below "${printable(parents[index]!)}", which is a ${type}`);
  }
  return { there: { isTargetNew }, keepsTarget: !isTargetNew };
}

function chooseDigest(wished: readonly string[]): DigestAlgorithm {
  const digest = wished.find((name) => isDigestAlgorithm(name));
  if (digest !== undefined) return digest;
  throw new CairnError(
    'invalid-request',
    `none of the digests is known here: ${DIGEST_ALGORITHMS.join(', ')} are`,
  );
}

async function findUnfinished(context: ServerContext, asking: Asking): Promise<SessionGrant | undefined> {
  const { target, authorization } = asking;
  const { direction, manifestId, otherManifestIds = [], preserveModes } = asking.request;
  const { principal } = authorization;
  if (manifestId === undefined) return undefined;
  const found: SessionRecord[] = [];
  for (const id of [manifestId, ...otherManifestIds])
    found.push(...(await context.sessions.find({ principal, direction, target, manifestId: id })));
  const record = found.find(
    (candidate) =>
      (candidate.preserveModes ?? false) === (preserveModes ?? false) &&
      (!context.clock.isJudging() || !isLeaseOver(candidate, context.now())),
  );
  if (record === undefined) return undefined;
  return context.live.use(record.id, async (live) => {
    // It may have ended since it was found, or while it was resumed.
    if (isTerminal(live.record.value.state)) return undefined;
    const grant = await resumeSession(context, live, resumingOf(asking));
    // Whoever asks so has lost what it would repeat the commit with, and can only wait for its end.
    if (grant.state === 'committing') await live.exclusive(() => resumeCommit(context, live));
    return grant.state === 'committed' ? undefined : grant;
  });
}

/** The session of an earlier try of the same request, whose answer was lost: it is as new as it would be without. */
async function findAnswered(
  context: ServerContext,
  asking: Asking,
  id: string,
): Promise<SessionGrant | undefined> {
  const { target } = asking;
  const { direction } = asking.request;
  const record = await context.sessions.get(id);
  if (record === undefined) return undefined;
  if (record.direction !== direction || record.target !== target) {
    throw new CairnError('invalid-request', 'the request id was used for another transfer');
  }
  return context.live.use(id, async (live) => {
    await refuseExpired(context, live);
    return { ...(await resumeSession(context, live, resumingOf(asking))), resumed: false };
  });
}

/** Whoever asks for a session by what it is about has no credential of it, and has authenticated. */
function resumingOf({ authorization, address, request }: Asking): Resuming {
  return { authorization, address, credential: undefined, sync: request.sync, encodings: request.encodings };
}

function wishedChunkSize(
  { chunkSizeBytes, isLargestChunkSize = false, wishedChunks }: EstablishRequest,
  { fileBytes }: Asking['there'],
): number {
  if (!isLargestChunkSize) return chunkSizeBytes;
  const suitable =
    fileBytes === undefined ? UNKNOWN_TREE_CHUNK_SIZE_BYTES : chunkSizeFor(fileBytes, wishedChunks);
  return Math.min(chunkSizeBytes, suitable);
}

function newRecord(
  context: ServerContext,
  { authorization, address, target, there, keepsTarget, request }: Asking,
  agreed: Pick<SessionRecord, 'id' | 'digest' | 'credentialHash'>,
): SessionRecord {
  const { limits, content, instanceId } = context;
  const store = content.properties.chunkSizeBytes;
  const min = Math.max(limits.chunkSizeBytes.min, store.min, CHUNK_SIZE_RANGE.min);
  const max = Math.min(limits.chunkSizeBytes.max, store.max, CHUNK_SIZE_RANGE.max);
  const now = context.now();
  return {
    ...agreed,
    version: 1,
    principal: authorization.principal,
    authorization,
    target,
    direction: request.direction,
    chunkSizeBytes: Math.max(min, Math.min(max, wishedChunkSize(request, there))),
    parallel: Math.min(request.parallel, limits.parallelPerSession),
    ...(request.direction === 'push'
      ? { sync: stricterSync(request.sync, context.sync), preserveModes: request.preserveModes, keepsTarget }
      : {}),
    ...encodingsOf(request.encodings),
    state: 'establishing',
    epoch: 1,
    manifestId: null,
    holder: instanceId,
    createdAtMs: now,
    leaseExpiresAtMs: leaseEnd({ createdAtMs: now }, now, context),
    commit: null,
    history: [{ atMs: now, what: 'established', epoch: 1, by: authorization.id, from: address }],
  };
}
