/** Epochs change hands here: a new session's first, and each resume's. */
import { CairnError } from '../../base/errors.ts';
import type { ResumeRequest, SessionGrant } from '../../protocol/messages.ts';
import { DEFAULT_SYNC_MODE, stricterSync, type SyncMode } from '../../protocol/sync-mode.ts';
import { issueSecret } from '../../session/credential.ts';
import type { SessionRecord } from '../../session/record.ts';
import type { LiveSession } from './live-session.ts';
import type { ServerContext } from '../server-context.ts';

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
    holdsPartialChunks: options.context.content.properties.holdsPartialChunks,
    ...(record.direction === 'push' ? { sync: syncOf(record) } : {}),
    manifestId: record.manifestId,
    resumed: options.resumed,
  };
}

/** When sync points of a session come. */
function syncOf({ sync = DEFAULT_SYNC_MODE }: SessionRecord): SyncMode {
  return sync;
}

/**
 * Opens a session for whoever asks now: a new epoch, a new credential. Requests of older epochs end, and what they
 * brought is settled, before this resolves. A wish makes the sync mode stricter, never looser.
 *
 * @throws CairnError `session-aborted`, `session-expired`
 */
export async function resumeSession(
  context: ServerContext,
  live: LiveSession,
  { sync }: ResumeRequest,
): Promise<SessionGrant> {
  const { leaseMs, now, instanceId, log } = context;
  const { secret, hash } = issueSecret();
  const before = syncOf(live.record.value);
  const record = await live.record.change('resume', (current) => ({
    epoch: current.epoch + 1,
    ...(current.direction === 'push' ? { sync: stricterSync(sync, syncOf(current)) } : {}),
    credentialHash: hash,
    holder: instanceId,
    leaseExpiresAtMs: Math.max(current.leaseExpiresAtMs, now() + leaseMs),
  }));
  await live.endOlderRequests();
  // They are opened again in the new mode.
  if (syncOf(record) !== before && record.state === 'open') await live.content.closeChunks({ sync: true });
  const { id, epoch, direction, state } = record;
  log.info({ session: id, epoch, direction, state }, 'session resumed');
  return grantOf(record, secret, { context, resumed: true });
}
