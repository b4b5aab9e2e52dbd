/**
 * Examines everything that a server keeps of its sessions, while none runs, and repairs it where that can be done. It
 * works over the two store interfaces; a store reports the state of its own files as incidents.
 */
import { CairnError } from '../../../base/errors.ts';
import { advance, isLeaseOver, isPublishing, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import { sessionAreas } from '../sessions/session-areas.ts';
import { checkChunks } from './check-chunks.ts';
import { checkDocuments } from './check-documents.ts';
import { find, findFailure, findIncidents, type Check, type CheckOptions, type Fault } from './check.ts';
import { noTotals, type CheckTotals } from './findings.ts';

/**
 * Checks all sessions, one after the other, and then the staging areas without a session.
 *
 * @throws CairnError, storage codes where the sessions cannot be listed
 */
export async function checkSessions(options: CheckOptions): Promise<CheckTotals> {
  const check: Check = { ...options, totals: noTotals() };
  const { content, sessions, totals } = check;
  findIncidents(check);
  const areas = await sessionAreas(content);
  for await (const record of sessions.list()) {
    const hasArea = areas.delete(record.id);
    totals.sessions += 1;
    try {
      await checkSession(check, record, hasArea);
    } catch (error) {
      findIncidents(check, record);
      findFailure(check, record, error);
    }
    check.onProgress?.(totals);
  }
  // Those of the list itself.
  findIncidents(check);
  for (const id of areas) await freeOrphan(check, id);
  return totals;
}

async function checkSession(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  if (isTerminal(record.state)) return checkEnded(check, record, hasArea);
  const finishesAlone = isPublishing(record);
  // A commit has all its chunks: the next start of the server finishes it, also after the lease.
  if (!finishesAlone && isLeaseOver(record, check.now())) return expire(check, record, hasArea);
  if (record.pass.manifestId === null && record.state === 'establishing') return;
  const fault = await checkUnfinished(check, record, hasArea);
  if (fault !== undefined) return lose(check, record, hasArea, fault);
  if (record.state !== 'committing') return;
  const problem = finishesAlone ? 'its commit was interrupted' : 'its end was not confirmed by its client';
  const remedy = finishesAlone
    ? 'finished at the next start of the server'
    : 'finished by the next run of its client';
  find(check, record, { kind: 'committing', outcome: 'note', problem, remedy });
}

/** The fault that keeps a session from being resumed; undefined where it can be resumed. */
async function checkUnfinished(
  check: Check,
  record: SessionRecord,
  hasArea: boolean,
): Promise<Fault | undefined> {
  if (!hasArea) {
    return { kind: 'staging-missing', outcome: 'lost', problem: 'everything that was staged of it is gone' };
  }
  const area = await check.content.openStaging(record.id);
  const documents = await checkDocuments(check, record, area);
  if ('fault' in documents) return documents.fault;
  if (documents.plan !== undefined && record.pass.direction === 'push') {
    await checkChunks(check, record, area, documents.plan);
  }
  return undefined;
}

/** Ends a session that cannot be resumed: kept, it would be in the way of a client that starts over. */
async function lose(check: Check, record: SessionRecord, hasArea: boolean, fault: Fault): Promise<void> {
  const isKept = fault.outcome === 'untouched';
  if (!isKept) await end(check, record, hasArea);
  const remedy = isKept
    ? 'left as it is: use a newer cairn'
    : 'ended, since it cannot be resumed; the next run of its client starts over';
  find(check, record, { ...fault, remedy });
}

async function expire(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  await end(check, record, hasArea);
  const problem = 'no client touched it before its lease was over';
  find(check, record, { kind: 'lease-over', outcome: 'repaired', problem, remedy: 'expired and freed' });
}

/** Ends a session as the running server does: the record stays a while, so that its client learns of the end. */
async function end(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  if (check.isDryRun) return;
  const leaseExpiresAtMs = check.now() + check.limits.keepEndedMs;
  const next = advance(record, 'expire', { leaseExpiresAtMs, holder: null });
  if (!(await check.sessions.replace(next))) {
    throw new CairnError('server-busy', 'another process changed its record meanwhile');
  }
  if (hasArea) await discard(check, record.id);
}

/** Removes the staging of a session that is over, and after a while its record. */
async function checkEnded(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  const isOver = isLeaseOver(record, check.now());
  if (!isOver && !hasArea) return;
  if (!check.isDryRun) {
    if (isOver) await check.sessions.remove(record.id);
    if (hasArea) await discard(check, record.id);
  }
  const problem = hasArea ? 'it has ended, and a part of it is still staged' : 'it ended long ago';
  const remedy = hasArea ? 'freed' : 'its record removed';
  find(check, record, { kind: 'session-ended', outcome: 'repaired', problem, remedy });
}

async function freeOrphan(check: Check, id: string): Promise<void> {
  try {
    if (!check.isDryRun) await discard(check, id);
    const problem = 'a staging area belongs to no session';
    find(check, { id }, { kind: 'staging-orphaned', outcome: 'repaired', problem, remedy: 'freed' });
  } catch (error) {
    findFailure(check, { id }, error);
  }
}

async function discard({ content }: Check, id: string): Promise<void> {
  await (await content.openStaging(id)).discard();
}
