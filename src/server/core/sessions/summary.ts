/** Sessions as an administrator sees them: from memory where they are, else from their records. */
import { printable } from '../../../base/safe-path.ts';
import type { SessionDetails, SessionSummary } from '../../../wire/admin-messages.ts';
import { leaseEnd, type SessionFailure, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { LiveSession } from './live-session.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { SessionTimes } from './session-times.ts';
import { progressOf } from './progress.ts';

/** The most addresses to show for one session: the last that were used. */
const MAX_ADDRESSES = 16;

/** The parts that show a session. */
export interface Shown {
  readonly live: Pick<LiveSessions, 'peek'>;
  readonly times: SessionTimes;
}

/** One line about a session. Loads and opens nothing for it. */
export async function summaryOf(
  { live: sessions, times }: Shown,
  kept: SessionRecord,
): Promise<SessionSummary> {
  const live = await sessions.peek(kept.id);
  const record = live === undefined ? kept : newerOf(kept, live.record.value);
  const { authorization } = record;
  return {
    session: record.id,
    owner: printable(record.principal),
    direction: record.pass.direction,
    target: printable(record.target),
    state: record.state,
    epoch: record.epoch,
    resumes: record.epoch - 1,
    createdAtMs: record.createdAtMs,
    touchedAtMs: touchedAtMs(times, record, live),
    leaseExpiresAtMs: leaseExpiresAtMs(times, record, live),
    ...(await progressOf(record, live)),
    addresses: addressesOf(record, live),
    lastError: lastErrorOf(record, live),
    authorization:
      authorization === undefined
        ? null
        : { id: printable(authorization.id), expiresAtMs: authorization.expiresAtMs ?? null },
    inMemory: live !== undefined,
    requests: live?.requests.size ?? 0,
  };
}

/** Everything about a session that is not secret. */
export async function detailsOf(shown: Shown, kept: SessionRecord): Promise<SessionDetails> {
  const live = await shown.live.peek(kept.id);
  const record = live === undefined ? kept : newerOf(kept, live.record.value);
  const { parallel, history = [], pass } = record;
  const { chunkSizeBytes, digest, sync = null } = pass;
  const moments = history.map(({ atMs, what, epoch, by, from, why }) => ({
    atMs,
    what,
    epoch,
    ...(by === undefined ? {} : { by: printable(by) }),
    ...(from === undefined ? {} : { from: printable(from) }),
    ...(why === undefined ? {} : { why }),
  }));
  const summary = await summaryOf(shown, record);
  return { ...summary, chunkSizeBytes, parallel, digest, sync, history: moments };
}

function newerOf(a: SessionRecord, b: SessionRecord): SessionRecord {
  return a.version > b.version ? a : b;
}

function leaseExpiresAtMs(times: SessionTimes, record: SessionRecord, live?: LiveSession): number {
  const touched = live?.record.touchedAtMs;
  // Requests do not extend the time of an ended session.
  if (touched === undefined || isTerminal(record.state)) return record.leaseExpiresAtMs;
  return Math.max(record.leaseExpiresAtMs, leaseEnd(record, touched, times));
}

/** A lease is written down only now and then; a moment of the history is written down at once. */
function touchedAtMs({ leaseMs, now }: SessionTimes, record: SessionRecord, live?: LiveSession): number {
  const { createdAtMs, state, history = [] } = record;
  const byLease = isTerminal(state) ? 0 : record.leaseExpiresAtMs - leaseMs;
  const times = [createdAtMs, byLease, history.at(-1)?.atMs ?? 0, live?.record.touchedAtMs ?? 0];
  // A lease with another length at an earlier start must not lead into the future.
  return Math.min(Math.max(...times), Math.max(now(), createdAtMs));
}

function addressesOf({ history = [] }: SessionRecord, live: LiveSession | undefined): string[] {
  const seen = new Set<string>();
  const add = (address: string | undefined): void => {
    if (address === undefined) return;
    // Added again at the end: the order is that of the last use.
    seen.delete(address);
    seen.add(address);
  };
  for (const { from } of history) add(from);
  for (const { address } of live?.requests ?? []) add(address);
  return [...seen].slice(-MAX_ADDRESSES).map(printable);
}

function lastErrorOf(
  { lastError }: SessionRecord,
  live: LiveSession | undefined,
): SessionSummary['lastError'] {
  const newest: SessionFailure | undefined = live?.lastFailure ?? lastError;
  return newest === undefined ? null : { ...newest, message: printable(newest.message) };
}
