/** Epochs change hands here: a new session's first, and each resume's. */
import { CairnError } from '../../../base/errors.ts';
import type { SessionGrant } from '../../../wire/messages.ts';
import { DEFAULT_SYNC_MODE, stricterSync, type SyncMode } from '../../../session/sync-mode.ts';
import { agreedEncodings, type ChunkEncoding } from '../../../session/encoding.ts';
import { issueSecret } from '../../../session/credential.ts';
import { mayResumeWith, rotate } from '../../../session/credential-rotation.ts';
import { leaseEnd, type SessionRecord } from '../../../session/record.ts';
import { existingOf, mayCompare } from '../../../session/scopes.ts';
import { OWN_ENCODINGS } from '../../../transfer/zlib-pump.ts';
import type { Authorization } from '../../../session/authorization.ts';
import type { ServerContext } from '../../server-context.ts';
import { checkTakeover } from '../quota/quota.ts';
import { noticeReuse } from './credential-reuse.ts';
import type { LiveSession } from './live-session.ts';
import { checkAllowsSession } from './renewal.ts';

/** What a client is told when it gets a session. */
export function grantOf(
  record: SessionRecord,
  credential: string,
  options: { context: ServerContext; resumed: boolean },
): SessionGrant {
  const { state } = record;
  if (state === 'suspended' || state === 'aborted' || state === 'expired') {
    throw new CairnError('internal', `a session that is ${state} was granted`);
  }
  return {
    session: record.id,
    credential,
    epoch: record.epoch,
    state,
    direction: record.direction,
    digest: record.digest,
    chunkSizeBytes: record.chunkSizeBytes,
    parallel: record.parallel,
    leaseMs: options.context.leaseMs,
    endsInMs: Math.max(1, record.createdAtMs + options.context.maxAgeMs - options.context.now()),
    ...authorizedFor(record, options.context.wallNow()),
    holdsPartialChunks: options.context.content.properties.holdsPartialChunks,
    ...(record.direction === 'push'
      ? { sync: syncOf(record), commitAwaitsChunks: true, ...placingOf(record), ...preservingOf(record) }
      : {}),
    ...encodingsOf(record.encodings),
    manifestId: record.manifestId,
    resumed: options.resumed,
  };
}

function preservingOf({ preserveModes }: SessionRecord): Pick<SessionGrant, 'preservesModes'> {
  return preserveModes === true ? { preservesModes: true } : {};
}

/** What a push does to what is there, where that is not to know and to replace it. */
function placingOf({ authorization }: SessionRecord): Pick<SessionGrant, 'existing' | 'isBlind'> {
  const { scopes = [] } = authorization ?? {};
  const existing = existingOf(scopes);
  return {
    ...(existing === undefined || existing === 'replaced' ? {} : { existing }),
    ...(mayCompare(scopes) ? {} : { isBlind: true }),
  };
}

/** How long the session is authorized for from now on, where that has an end. */
export function authorizedFor({ authorization }: SessionRecord, nowMs: number): { authorizedForMs?: number } {
  const { expiresAtMs } = authorization ?? {};
  return expiresAtMs === undefined ? {} : { authorizedForMs: Math.max(1, Math.round(expiresAtMs - nowMs)) };
}

/** Who resumes a session, and how. */
export interface Resuming {
  readonly authorization: Authorization;
  readonly address: string;
  /** The credential that the request shows; undefined for a client that has none. */
  readonly credential: string | undefined;
  /** A wish that makes the sync mode stricter, never looser. */
  readonly sync: SyncMode | undefined;
  /** Encodings that the client can do. */
  readonly encodings: readonly string[] | undefined;
}

/** The encodings of an epoch, as far as there are any. */
export function encodingsOf(offered: readonly string[] | undefined): { encodings?: ChunkEncoding[] } {
  const encodings = agreedEncodings(offered, OWN_ENCODINGS);
  return encodings.length === 0 ? {} : { encodings };
}

/** When sync points of a session come. */
function syncOf({ sync = DEFAULT_SYNC_MODE }: SessionRecord): SyncMode {
  return sync;
}

/**
 * Opens a session for whoever asks now: a new epoch, a new credential. Requests of older epochs end, and what they
 * brought is settled, before this resolves.
 *
 * @throws CairnError `forbidden`, `quota-exceeded`, `session-aborted`, `session-expired`, `session-credential` for one
 * that was replaced
 */
export async function resumeSession(
  context: ServerContext,
  live: LiveSession,
  { authorization, address, credential, sync, encodings }: Resuming,
): Promise<SessionGrant> {
  const { now, instanceId, log, metrics } = context;
  checkAllowsSession(authorization, live.record.value);
  if (credential !== undefined && !mayResumeWith(live.record.value, credential)) {
    await noticeReuse(context, live, { credential, epoch: undefined, address });
    throw new CairnError('session-credential', 'another client took over this transfer; this one stops');
  }
  await checkTakeover(context.usage, authorization, live.record.value);
  const { secret, hash } = issueSecret();
  const before = syncOf(live.record.value);
  const changes = (current: SessionRecord): Partial<SessionRecord> => ({
    ...rotate(current, hash, credential, now()),
    epoch: current.epoch + 1,
    ...(current.direction === 'push' ? { sync: stricterSync(sync, syncOf(current)) } : {}),
    encodings: undefined,
    ...encodingsOf(encodings),
    authorization,
    holder: instanceId,
    leaseExpiresAtMs: Math.max(current.leaseExpiresAtMs, leaseEnd(current, now(), context)),
  });
  const cause = { by: authorization.id, from: address };
  const record = await live.record.change('resume', changes, undefined, cause);
  metrics.resumed();
  await live.endOlderRequests();
  // They are opened again in the new mode.
  if (syncOf(record) !== before && record.state === 'open') await live.content.closeChunks({ sync: true });
  const { id, epoch, direction, state } = record;
  log.info({ session: id, epoch, direction, state, ...cause }, 'session resumed');
  return grantOf(record, secret, { context, resumed: true });
}
