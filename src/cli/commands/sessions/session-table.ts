/** The sessions of a server as a table, as lines, and as objects. */
import { credentialName } from '../../../base/access-text.ts';
import { printable } from '../../../base/safe-path.ts';
import type { SessionDetails, SessionMoment, SessionSummary } from '../../../wire/admin-messages.ts';
import { alignColumns, shortIds } from '../../report/table.ts';
import { formatBytes } from '../../../base/byte-text.ts';
import { formatDuration } from '../../report/wording.ts';

const HEADINGS = ['ID', 'STATE', 'EPOCH', 'DONE', 'TOUCHED', 'EXPIRES', 'OWNER', 'TARGET'];

/** One line a session, columns aligned. */
export function sessionTable(sessions: readonly SessionSummary[], nowMs: number): string[] {
  if (sessions.length === 0) return ['no sessions\n'];
  const shown = shortIds(sessions.map(({ session }) => session));
  const rows = sessions.map((session, row) => [shown[row] ?? session.session, ...cellsOf(session, nowMs)]);
  return alignColumns([HEADINGS, ...rows], { flexible: ['OWNER', 'TARGET'] });
}

function cellsOf(session: SessionSummary, nowMs: number): string[] {
  const { state, requests, epoch, touchedAtMs, owner } = session;
  return [
    requests > 0 ? `${state} (${requests} requests)` : state,
    String(epoch),
    doneText(session),
    `${formatDuration(Math.max(0, nowMs - touchedAtMs))} ago`,
    expiryText(session, nowMs),
    printable(owner),
    directionAndTarget(session),
  ];
}

function directionAndTarget({ direction, target }: SessionSummary): string {
  return `${direction === 'push' ? '→' : '←'} /${printable(target)}`;
}

function doneText({ bytesDone, bytesTotal }: SessionSummary): string {
  if (bytesDone === null) return bytesTotal === null ? '?' : `? of ${formatBytes(bytesTotal)}`;
  if (bytesTotal === null) return formatBytes(bytesDone);
  const percent = bytesTotal === 0 ? 100 : Math.floor((bytesDone * 100) / bytesTotal);
  return `${percent}% of ${formatBytes(bytesTotal)}`;
}

const ENDED = new Set<SessionSummary['state']>(['committed', 'aborted', 'expired']);

/** When the record goes, for a session that has ended; until then it tells its client so. */
function expiryText({ state, leaseExpiresAtMs }: SessionSummary, nowMs: number): string {
  const left = leaseExpiresAtMs - nowMs;
  if (left <= 0) return 'now';
  return ENDED.has(state) ? `record in ${formatDuration(left)}` : `in ${formatDuration(left)}`;
}

/** Everything about one session. */
export function sessionLines(session: SessionDetails, nowMs: number): string[] {
  const { bytesDone, bytesTotal, chunksDone, chunksTotal, authorization, lastError } = session;
  const exact = `${bytesDone ?? '?'} of ${bytesTotal ?? '?'} bytes`;
  const bytes = `${doneText(session)} (${exact})`;
  const chunks = chunksDone === null ? '' : `, ${chunksDone} of ${chunksTotal ?? '?'} chunks`;
  const until = authorization?.expiresAtMs ?? undefined;
  const fields: readonly (readonly [string, string])[] = [
    ['id', session.session],
    ['owner', printable(session.owner)],
    ['transfer', directionAndTarget(session)],
    ['state', `${session.state}${session.inMemory ? `, in memory, ${session.requests} requests` : ''}`],
    ['epoch', `${session.epoch} (${session.resumes} resumes)`],
    ['done', bytes + chunks],
    ['created', isoText(session.createdAtMs)],
    ['touched', `${isoText(session.touchedAtMs)} (${formatDuration(nowMs - session.touchedAtMs)} ago)`],
    ['expires', `${isoText(session.leaseExpiresAtMs)} (${expiryText(session, nowMs)})`],
    ['allowed by', authorization === null ? 'not known' : credentialName(authorization.id)],
    ['allowed until', until === undefined ? 'no end' : isoText(until)],
    ['addresses', session.addresses.map(printable).join(', ') || 'none'],
    ['last error', lastError === null ? 'none' : errorText(lastError)],
  ];
  return fields.map(([name, value]) => `${`${name}:`.padEnd(15)}${value}\n`);
}

function errorText({ atMs, code, message }: NonNullable<SessionSummary['lastError']>): string {
  return `${isoText(atMs)} ${code}: ${printable(message)}`;
}

/** The life of a session, one line a moment. */
export function traceLines(history: readonly SessionMoment[]): string[] {
  const width = history.reduce((most, { what }) => Math.max(most, what.length), 0);
  return history.map(({ atMs, what, epoch, why, by, from }) => {
    const rest = [
      ...(why === undefined ? [] : [`why ${why}`]),
      ...(by === undefined ? [] : [`by ${credentialName(by)}`]),
      ...(from === undefined ? [] : [`from ${printable(from)}`]),
    ];
    return `${isoText(atMs)}  ${what.padEnd(width)}  epoch ${epoch}  ${rest.join('  ')}`.trimEnd() + '\n';
  });
}

/** `2025-11-23T05:27:11.042+01:00`: the local time, in ISO 8601. */
export function isoText(ms: number): string {
  const offsetMinutes = -new Date(ms).getTimezoneOffset();
  if (Number.isNaN(offsetMinutes)) return '?';
  const shifted = new Date(ms + offsetMinutes * 60_000);
  if (Number.isNaN(shifted.getTime())) return '?';
  const two = (value: number): string => String(value).padStart(2, '0');
  const sign = offsetMinutes < 0 ? '-' : '+';
  const size = Math.abs(offsetMinutes);
  return `${shifted.toISOString().slice(0, -1)}${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
}

/** The line of `--json`. */
export function sessionObject(session: SessionSummary): Record<string, unknown> {
  return { type: 'session', ...session };
}
