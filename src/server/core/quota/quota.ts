/** How much an authorization may push, and how much of that is used. */
import { formatBytes } from '../../../base/byte-text.ts';
import { CairnError } from '../../../base/errors.ts';
import { bringsBytes } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { Authorization } from '../../../session/authorization.ts';
import type { CoreLimits } from '../core-limits.ts';
import { announcementOf, type Announced, type Announcements } from './announcements.ts';
import type { TallyQuery } from './session-tally.ts';
import type { StoreTally } from './tallied-store.ts';
import type { Charged, UsageLedger } from './usage-ledger.ts';

/** The counters of usage. */
export interface Usage {
  readonly tally: StoreTally;
  readonly ledger: UsageLedger;
  /** Where nodes tell each other what is coming; undefined for those who only look. */
  readonly announcements?: Announcements | undefined;
}

/** The used part of an authorization: unfinished sessions, published bytes, and bytes to come. */
export interface Used {
  readonly sessions: number;
  readonly publishedBytes: number;
  readonly comingBytes: number;
  /** Bytes of the manifests of unfinished pushes, as far as a quota counts them. */
  readonly manifestBytes: number;
}

/** A quota does not count this much of the manifests of one authorization's unfinished pushes. */
const FREE_MANIFEST_BYTES = 1024 ** 2;

interface Level {
  readonly id: string;
  readonly quota: NonNullable<Authorization['quota']>;
  /** Its name in messages. */
  readonly name: string;
}

/**
 * Brings both counters up to date, so that the following checks need not wait.
 *
 * @param coming what is about to be checked: of two nodes that check at the same time the later one sees that of the earlier
 * @throws CairnError, storage codes
 */
export async function openUsage({ tally, ledger, announcements }: Usage, coming?: Announced): Promise<void> {
  await tally.ready();
  if (coming !== undefined) await announcements?.tell(coming);
  ledger.settle((session) => !tally.isUnfinished(session));
}

/** The used part of an authorization and its grants, without one session. */
export function usedOf({ tally, ledger }: Usage, authorization: string, except?: string): Used {
  const { sessions } = tally.count({ authorization }, (id) => id === except);
  const isOut = (id: string): boolean => id === except || ledger.isCounted(id);
  const { bytes: comingBytes, manifestBytes: all } = tally.count({ authorization }, isOut);
  const manifestBytes = Math.max(0, all - FREE_MANIFEST_BYTES);
  return { sessions, comingBytes, manifestBytes, publishedBytes: ledger.publishedBytes(authorization) };
}

/**
 * Refuses a new session beyond the limits of the server, the authorization or the owner. Call it after {@link
 * openUsage}, in the same turn as what makes the session.
 *
 * @throws CairnError `server-busy`, `quota-exceeded`
 */
export function checkNewSession(
  usage: Usage,
  { authorization, session }: { authorization: Authorization; session: string },
  {
    maxSessions,
    maxSessionsPerPrincipal: limit,
  }: Pick<CoreLimits, 'maxSessions' | 'maxSessionsPerPrincipal'>,
): void {
  if (unfinishedOf(usage, 'all', { except: session, limit: maxSessions }) >= maxSessions) {
    const message = `the server has ${maxSessions} unfinished transfers, as many as it takes; try again when some have ended`;
    throw new CairnError('server-busy', message, { details: { limit: 'sessions' } });
  }
  checkSessions(usage, authorization, session);
  const { principal } = authorization;
  const used = unfinishedOf(usage, { principal }, { except: session, limit });
  if (used < limit) return;
  throw new CairnError(
    'quota-exceeded',
    `one owner may have ${limit} unfinished transfers on this server, and this owner has ${used}; ${END_SOME}`,
    { details: { quota: 'owner-sessions', limit, used } },
  );
}

/** The number of unfinished sessions; only an upper bound where that bound is below the limit. */
function unfinishedOf(
  { tally }: Usage,
  query: TallyQuery,
  { except, limit }: { except: string; limit: number },
): number {
  const most = tally.mostSessions(query);
  return most < limit ? most : tally.count(query, (id) => id === except).sessions;
}

const END_SOME = 'finish some, or abort them: cairn transfers rm --abort';

function checkSessions(usage: Usage, authorization: Authorization, except: string): void {
  for (const { id, quota, name } of levelsOf(authorization)) {
    const { sessions: limit } = quota;
    if (limit === undefined) continue;
    const { sessions: used } = usedOf(usage, id, except);
    if (used < limit) continue;
    throw new CairnError(
      'quota-exceeded',
      `${name} may have ${limit} unfinished transfers at a time, and has ${used}; ${END_SOME}`,
      { details: { quota: 'sessions', limit, used } },
    );
  }
}

/**
 * Refuses a pass that brings more bytes than an authorization has left; otherwise reserves the bytes. A pull brings none.
 *
 * @throws CairnError `quota-exceeded`
 */
export function checkBytes(
  usage: Usage,
  authorization: Authorization,
  { id: session, pass }: Pick<SessionRecord, 'id' | 'pass'>,
  bytes: number,
): void {
  if (!bringsBytes(pass)) return;
  for (const { id, quota, name } of levelsOf(authorization)) {
    const { bytes: limit } = quota;
    if (limit === undefined) continue;
    const { publishedBytes, comingBytes, manifestBytes } = usedOf(usage, id, session);
    const used = publishedBytes + comingBytes + manifestBytes;
    if (used + bytes <= limit) continue;
    throw new CairnError(
      'quota-exceeded',
      `${name} may push ${formatBytes(limit)} in all: ${formatBytes(publishedBytes)} were published, ` +
        `unfinished transfers have ${formatBytes(comingBytes)}, and this one has ${formatBytes(bytes)}; ask for a token of the same owner with a larger quota, and run the ` +
        'command again with it',
      { details: { quota: 'bytes', limit, used, bytes } },
    );
  }
  usage.tally.reserve(session, { bytes });
}

type EntryLimits = Pick<CoreLimits, 'maxEntriesPerPrincipal' | 'maxEntriesPerGrant'>;

/** The size of a transfer's manifest, as far as it is known. */
export interface ComingManifest {
  readonly manifestBytes: number;
  readonly entries: number;
}

/**
 * Refuses more entries than one owner, or one grant, may have in unfinished transfers. Call it after {@link
 * openUsage}.
 *
 * @throws CairnError `quota-exceeded`
 */
export function checkEntries(
  { tally }: Usage,
  { authorization, session }: { authorization: Authorization; session: string },
  entries: number,
  { maxEntriesPerPrincipal, maxEntriesPerGrant }: EntryLimits,
): void {
  const check = (query: TallyQuery, limit: number, who: string): void => {
    const { entries: used } = tally.count(query, (id) => id === session);
    if (used + entries <= limit) return;
    throw new CairnError(
      'quota-exceeded',
      `${who} may have ${limit} entries in unfinished transfers; others have ${used}, and this one has ${entries}; ${END_SOME}`,
      { details: { quota: 'entries', limit, used } },
    );
  };
  const { principal, id, issuer } = authorization;
  check({ principal }, maxEntriesPerPrincipal, 'one owner');
  if (issuer !== undefined) check({ authorization: id }, maxEntriesPerGrant, 'a transfer grant');
}

/**
 * Refuses a manifest beyond the limits of an authorization or its owner for unfinished pushes; otherwise reserves it.
 * Call it after {@link openUsage}.
 *
 * @throws CairnError `quota-exceeded`
 */
export function checkManifest(
  usage: Usage,
  { authorization, session }: { authorization: Authorization; session: string },
  coming: ComingManifest,
  limits: EntryLimits,
): void {
  const { tally } = usage;
  checkEntries(usage, { authorization, session }, coming.entries, limits);
  for (const { id: of, quota, name } of levelsOf(authorization)) {
    const { bytes: limit } = quota;
    if (limit === undefined) continue;
    const { publishedBytes, comingBytes } = usedOf(usage, of, session);
    const { manifestBytes: others } = tally.count({ authorization: of }, (id) => id === session);
    const manifests = others + coming.manifestBytes;
    const used = publishedBytes + comingBytes;
    if (manifests <= FREE_MANIFEST_BYTES || used + manifests - FREE_MANIFEST_BYTES <= limit) continue;
    throw new CairnError(
      'quota-exceeded',
      `${name} may push ${formatBytes(limit)} in all: ${formatBytes(used)} are used, and the manifests of its unfinished transfers have ${formatBytes(manifests)}; ${END_SOME}`,
      { details: { quota: 'bytes', limit, used } },
    );
  }
  tally.reserve(session, coming);
}

/**
 * Refuses to continue a session under another authorization whose quota the session exceeds.
 *
 * @throws CairnError `quota-exceeded`, storage codes
 */
export async function checkTakeover(
  usage: Usage,
  authorization: Authorization,
  record: SessionRecord,
): Promise<void> {
  const { id, authorization: before, state } = record;
  if (before?.id === authorization.id || levelsOf(authorization).length === 0) return;
  // The commit has charged the session or is about to: the client only wants the answer.
  if (isTerminal(state) || state === 'committing') return;
  const { tally } = usage;
  const taken = announcementOf({ ...record, authorization }, { bytes: tally.bytesOf(id) });
  await openUsage(usage, taken);
  checkSessions(usage, authorization, id);
  checkBytes(usage, authorization, record, usage.tally.bytesOf(id));
}

/** Which authorizations pay for the bytes that a session publishes. */
export function chargedFor({
  authorization,
  pass,
}: Pick<SessionRecord, 'authorization' | 'pass'>): readonly Charged[] {
  if (authorization === undefined || !bringsBytes(pass)) return [];
  const { expiresAtMs } = authorization;
  return levelsOf(authorization)
    .filter(({ quota }) => quota.bytes !== undefined)
    .map(({ id }) => (id === authorization.id ? { id, expiresAtMs } : { id }));
}

/** A grant also counts for the authorization that issued it: otherwise grants would multiply a quota. */
function levelsOf({ id, quota, issuer }: Authorization): readonly Level[] {
  const name = issuer === undefined ? 'the access token' : 'the transfer grant';
  const own = quota === undefined ? [] : [{ id, quota, name }];
  const above =
    issuer?.quota === undefined
      ? []
      : [{ id: issuer.id, quota: issuer.quota, name: 'the access token that issued this grant' }];
  return [...own, ...above];
}
