/** A credential that was replaced is shown again: somebody has a copy, and nobody can say who is the owner. */
import type { Logger } from '../../../base/logger.ts';
import { isRetired, revoke, STRAGGLER_MS, wasReplaced } from '../../../session/credential-rotation.ts';
import { isTerminal } from '../../../session/state.ts';
import type { LiveSession } from './live-session.ts';

/** A credential that was refused, and with what. */
export interface RefusedCredential {
  readonly credential: string;
  /** The epoch that it was shown with; undefined where it was to resume. */
  readonly epoch: number | undefined;
  readonly address: string;
}

/**
 * Revokes the credentials of a session where the refused one had been retired: the next request of whoever holds the
 * current one is told to resume, for which it has to authenticate. The requests that a client had under way when it
 * resumed are of the epoch before and come soon after; those are only refused.
 */
export async function noticeReuse(
  { log, now }: { readonly log: Logger; readonly now: () => number },
  { id, record }: LiveSession,
  { credential, epoch, address }: RefusedCredential,
): Promise<void> {
  const { value } = record;
  if (isTerminal(value.state) || value.credentialsRevoked === true) return;
  const isOlder = epoch !== undefined && epoch < value.epoch;
  const isStraggler = isOlder && now() - (value.rotatedAtMs ?? 0) < STRAGGLER_MS;
  if (isStraggler || !isRetired(value, credential)) {
    // Only of those who were clients of this session: a stranger's guesses are nothing to remember.
    if (isOlder && wasReplaced(value, credential)) await record.noteOnce('fenced', { from: address });
    return;
  }
  log.warn(
    { session: id, address, epoch, currentEpoch: value.epoch },
    'a session credential that had been replaced was used again; all of the session are revoked',
  );
  await record.note('credential-reused', { from: address, why: 'session-credential' }, (current) =>
    revoke(current, credential),
  );
}
