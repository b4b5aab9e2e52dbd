/** Epochs change hands here: a new session's first, and each resume's. */
import { CairnError } from '../../base/errors.ts';
import type { SessionGrant } from '../../protocol/messages.ts';
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
    manifestId: record.manifestId,
    resumed: options.resumed,
  };
}

/**
 * Opens a session for whoever asks now: a new epoch, a new credential. Requests of older epochs end, and what they
 * brought is settled, before this resolves.
 *
 * @throws CairnError `session-aborted`, `session-expired`
 */
export async function resumeSession(context: ServerContext, live: LiveSession): Promise<SessionGrant> {
  const { leaseMs, now, instanceId, log } = context;
  const { secret, hash } = issueSecret();
  const record = await live.record.change('resume', (current) => ({
    epoch: current.epoch + 1,
    credentialHash: hash,
    holder: instanceId,
    leaseExpiresAtMs: Math.max(current.leaseExpiresAtMs, now() + leaseMs),
  }));
  await live.endOlderRequests();
  const { id, epoch, direction, state } = record;
  log.info({ session: id, epoch, direction, state }, 'session resumed');
  return grantOf(record, secret, { context, resumed: true });
}
