/**
 * Reacts to a replaced credential that is shown again: there is a copy, and the server cannot tell the owner from the
 * thief.
 */
import type { Logger } from '../../../base/logger.ts';
import { isRetired, revoke, STRAGGLER_MS, wasReplaced } from '../../../session/credential-rotation.ts';
import { isTerminal } from '../../../session/state.ts';
import type { LiveSession } from './live-session.ts';

/** A refused credential and its request. */
export interface RefusedCredential {
  readonly credential: string;
  /** The epoch that came with it; undefined for a request to resume. */
  readonly epoch: number | undefined;
  readonly address: string;
}

/**
 * Revokes the credentials of a session where the refused one had been retired: the next request with the current one
 * is told to resume, which takes an access token. Late requests of the client itself, from just before it resumed,
 * are only refused.
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
    // Only for former clients of this session: a stranger could fill the history.
    if (isOlder && wasReplaced(value, credential)) await record.noteOnce('fenced', { from: address });
    return;
  }
  log.warn(
    { session: id, address, epoch, currentEpoch: value.epoch },
    'a replaced session credential was used again; all credentials of the session are revoked',
  );
  await record.note('credential-reused', { from: address, why: 'session-credential' }, (current) =>
    revoke(current, credential),
  );
}
