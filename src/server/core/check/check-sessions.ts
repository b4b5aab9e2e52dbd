/**
 * Examines everything that a server keeps of its sessions, while none runs, and repairs what can be repaired. It works
 * over the two store interfaces: what only a store can know of its own files it tells by its incidents.
 */
import { CairnError } from '../../../base/errors.ts';
import { advance, isLeaseOver, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import { sessionAreas } from '../sessions/session-areas.ts';
import { checkChunks } from './check-chunks.ts';
import { checkDocuments } from './check-documents.ts';
import { find, findFailure, findIncidents, type Check, type CheckOptions, type Fault } from './check.ts';
import { noTotals, type CheckTotals } from './findings.ts';

/**
 * Checks all sessions, one after the other, and then the staging areas that belong to none.
 *
 * @throws CairnError, storage codes where not even the sessions can be listed
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
  for (const id of areas) await freeOrphan(check, id);
  return totals;
}

async function checkSession(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  if (isTerminal(record.state)) return checkEnded(check, record, hasArea);
  const isPublishing = record.state === 'committing' && record.direction === 'push';
  // A commit has everything, and the next start finishes it, whatever the time.
  if (!isPublishing && isLeaseOver(record, check.now())) return expire(check, record, hasArea);
  if (record.manifestId === null && record.state === 'establishing') return;
  const fault = await checkUnfinished(check, record, hasArea);
  if (fault !== undefined) return lose(check, record, hasArea, fault);
  if (record.state !== 'committing') return;
  const problem = isPublishing ? 'its commit was interrupted' : 'its end was not confirmed by its client';
  const remedy = isPublishing
    ? 'finished at the next start of the server'
    : 'finished by the next run of its client';
  find(check, record, { kind: 'committing', outcome: 'note', problem, remedy });
}

/** What makes it impossible to resume a session; undefined where it can be. */
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
  if (documents.plan !== undefined && record.direction === 'push') {
    await checkChunks(check, record, area, documents.plan);
  }
  return undefined;
}

/** Ends a session that nobody can resume: kept, it would be in the way of a client that starts over. */
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
  const problem = 'nobody has touched it until its lease was over';
  find(check, record, { kind: 'lease-over', outcome: 'repaired', problem, remedy: 'expired and freed' });
}

/** As the running server ends a session: its record stays a while, to tell its client. */
async function end(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  if (check.isDryRun) return;
  const leaseExpiresAtMs = check.now() + check.limits.keepEndedMs;
  const next = advance(record, 'expire', { leaseExpiresAtMs, holder: null });
  if (!(await check.sessions.replace(next))) {
    throw new CairnError('server-busy', 'its record was changed by somebody else meanwhile');
  }
  if (hasArea) await discard(check, record.id);
}

/** A session that is over needs no staging, and after a while no record. */
async function checkEnded(check: Check, record: SessionRecord, hasArea: boolean): Promise<void> {
  const isOver = isLeaseOver(record, check.now());
  if (!isOver && !hasArea) return;
  if (!check.isDryRun) {
    if (isOver) await check.sessions.remove(record.id);
    if (hasArea) await discard(check, record.id);
  }
  const problem = hasArea ? 'it is over and something of it is still staged' : 'it is over for long';
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
