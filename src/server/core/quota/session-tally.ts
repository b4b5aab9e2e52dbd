/** Counts the unfinished sessions of owners and authorizations, and what they will bring. */
import { bringsBytes, type PassRecord } from '../../../session/pass-record.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';

/** The sessions to count: all of an owner, all of an authorization and its grants, or all of the server. */
export type TallyQuery = { readonly principal: string } | { readonly authorization: string } | 'all';

/** What one unfinished transfer, or several, bring and keep. */
export interface Amounts {
  /** Payload, and the targets of links. */
  readonly bytes: number;
  /** Bytes of the manifests. */
  readonly manifestBytes: number;
  readonly entries: number;
}

const NOTHING: Amounts = { bytes: 0, manifestBytes: 0, entries: 0 };

/** Counts unfinished sessions in memory, from the records that it was given. */
export interface SessionTally {
  /** The number of unfinished sessions, without those that `isLeftOut`, and what their pushes bring. */
  count(query: TallyQuery, isLeftOut?: (id: string) => boolean): Amounts & { readonly sessions: number };
  /** An upper bound of the sessions of {@link count}, in constant time: an owner may have ten thousand. */
  mostSessions(query: TallyQuery): number;
  isUnfinished(id: string): boolean;
  /** Bytes that a push is known to bring. */
  bytesOf(id: string): number;
  /** Counts a push with this much more, which its record does not say yet. */
  reserve(id: string, amounts: Partial<Amounts>): void;
  /** Drops the reservation of a session. */
  release(id: string): void;
}

/** What another node tells of a session before its record does; see announcements.ts. */
export interface ToldElsewhere {
  readonly session: string;
  readonly principal: string;
  /** Ids of its authorization and, for a grant, of the one that issued it. */
  readonly authorizations: readonly string[];
  /** What is known by now; the rest is as it was told before. */
  readonly amounts: Partial<Amounts>;
  /** `withdrawn`: it was refused. `over`: it has ended, and its record says so. */
  readonly end?: 'withdrawn' | 'over' | undefined;
}

/** A {@link SessionTally} that takes in records. */
export interface WritableTally extends SessionTally {
  /** Takes in a record, unless it has a newer version. */
  note(record: SessionRecord): void;
  /**
   * Takes in what another node tells: it counts until the record says as much, and for {@link TOLD_MS} at most. Answers what
   * is told of the session by now.
   */
  noteElsewhere(told: ToldElsewhere): Partial<Amounts> | undefined;
  /** Whether a session is known only by what another node told a moment ago. */
  isOnlyTold(id: string): boolean;
  /** Drops a record that was removed. */
  forget(id: string): void;
  has(id: string): boolean;
  ids(): IterableIterator<string>;
}

interface Row {
  readonly version: number;
  readonly isOver: boolean;
  /** The keys of the index that lead to it while it is unfinished. */
  readonly keys: readonly string[];
  readonly amounts: Amounts;
  readonly leaseExpiresAtMs: number;
}

/** So long counts what another node told. By then this one has read all records, more than once. */
const TOLD_MS = 150_000;
/** The version of a row without a record, and of one whose session is known to be over. */
const [NO_RECORD, OVER] = [0, Number.MAX_SAFE_INTEGER];

/** Makes an empty tally. */
export function createTally(now: () => number): WritableTally {
  const rows = new Map<string, Row>();
  const reserved = new Map<string, Partial<Amounts>>();
  const unfinished: Index = new Map();
  const told = createTold(now);
  const amountsOf = (id: string): Amounts =>
    largest(largest(rows.get(id)?.amounts ?? NOTHING, reserved.get(id)), told.of(id));
  const setRow = (id: string, row: Row | undefined): void => {
    move(unfinished, id, rows.get(id), row);
    if (row === undefined) rows.delete(id);
    else rows.set(id, row);
  };
  const dropComing = (id: string): void => {
    reserved.delete(id);
    told.drop(id);
  };
  const forget = (id: string): void => {
    setRow(id, undefined);
    dropComing(id);
  };
  return {
    isOnlyTold: (id) => rows.get(id)?.version === NO_RECORD && told.of(id) !== undefined,
    noteElsewhere: (announced) => {
      const { session: id, amounts, end } = announced;
      const row = rows.get(id);
      if (end !== undefined) {
        told.drop(id);
        // Also of an unknown one: its record may have been read before it ended, and be noted later.
        if (end === 'over') setRow(id, overOf(row ?? rowOfTold(announced, now()), now()));
        else if (row?.version === NO_RECORD) forget(id);
        return undefined;
      }
      if (row?.isOver === true) return undefined;
      if ((row?.version ?? NO_RECORD) === NO_RECORD) setRow(id, rowOfTold(announced, now()));
      return told.add(id, amounts);
    },
    note: (record) => {
      const { id, version } = record;
      const before = rows.get(id);
      // The record counts again where it says for minutes that the session is not over: somebody has told what is not true.
      const isDisproved = before?.version === OVER && before.leaseExpiresAtMs <= now();
      if (!isDisproved && (before?.version ?? 0) > version) return;
      const row = rowOf(record);
      setRow(id, row);
      if (row.isOver) dropComing(id);
    },
    forget,
    has: (id) => rows.has(id),
    ids: () => rows.keys(),
    bytesOf: (id) => amountsOf(id).bytes,
    isUnfinished: (id) => rows.get(id)?.isOver === false,
    reserve: (id, amounts) => void reserved.set(id, { ...reserved.get(id), ...amounts }),
    release: (id) => void reserved.delete(id),
    mostSessions: (query) => unfinished.get(keyOf(query))?.size ?? 0,
    count: (query, isLeftOut = () => false) => {
      const nowMs = now();
      const isCounted = (id: string): boolean =>
        (rows.get(id)?.leaseExpiresAtMs ?? 0) > nowMs && !isLeftOut(id);
      return sumOf([...(unfinished.get(keyOf(query)) ?? [])].filter(isCounted).map(amountsOf));
    },
  };
}

function sumOf(all: readonly Amounts[]): Amounts & { readonly sessions: number } {
  const sum = { sessions: all.length, ...NOTHING };
  for (const { bytes, manifestBytes, entries } of all) {
    sum.bytes += bytes;
    sum.manifestBytes += manifestBytes;
    sum.entries += entries;
  }
  return sum;
}

function largest(known: Amounts, reserved: Partial<Amounts> = {}): Amounts {
  return {
    bytes: Math.max(known.bytes, reserved.bytes ?? 0),
    manifestBytes: Math.max(known.manifestBytes, reserved.manifestBytes ?? 0),
    entries: Math.max(known.entries, reserved.entries ?? 0),
  };
}

function amountsIn(pass: PassRecord): Amounts {
  const { commit, bytesTotal = 0, linkBytes = 0, manifestBytes = 0, entries = 0 } = pass;
  // A pull brings nothing, but the server keeps the entries of its source in memory and on the disk.
  if (!bringsBytes(pass)) return { ...NOTHING, entries };
  return { bytes: (commit?.bytesTotal ?? bytesTotal) + linkBytes, manifestBytes, entries };
}

/** Ids of the authorization of a session and, for a grant, of the one that issued it. */
export function authorizationsOf({ authorization }: Pick<SessionRecord, 'authorization'>): string[] {
  return [authorization?.id, authorization?.issuer?.id].filter((id) => id !== undefined);
}

function rowOf(record: SessionRecord): Row {
  const { version, principal, state, leaseExpiresAtMs } = record;
  const isOver = isTerminal(state);
  return {
    version,
    isOver,
    keys: isOver ? [] : keysOf(principal, authorizationsOf(record)),
    amounts: amountsIn(record.pass),
    leaseExpiresAtMs,
  };
}

/** The row of a session whose record this node has not read. */
function rowOfTold({ principal, authorizations }: ToldElsewhere, nowMs: number): Row {
  const keys = keysOf(principal, authorizations);
  return { version: NO_RECORD, isOver: false, keys, amounts: NOTHING, leaseExpiresAtMs: nowMs + TOLD_MS };
}

/** An end is final: a record that says otherwise was read before it, and is older than what is told. */
function overOf(row: Row, nowMs: number): Row {
  return { ...row, version: OVER, isOver: true, keys: [], leaseExpiresAtMs: nowMs + TOLD_MS };
}

/** The keys of the index that lead to a session. */
function keysOf(principal: string, authorizations: readonly string[]): readonly string[] {
  const queries: TallyQuery[] = [
    'all',
    { principal },
    ...authorizations.map((id) => ({ authorization: id })),
  ];
  return queries.map(keyOf);
}

/** What other nodes have told of sessions, for as long as it counts. */
function createTold(now: () => number) {
  // In the order in which they end.
  const told = new Map<string, { readonly amounts: Partial<Amounts>; readonly endsAtMs: number }>();
  const of = (id: string): Partial<Amounts> | undefined => {
    const found = told.get(id);
    return found !== undefined && found.endsAtMs > now() ? found.amounts : undefined;
  };
  return {
    of,
    drop: (id: string): void => void told.delete(id),
    add: (id: string, more: Partial<Amounts>): Partial<Amounts> => {
      const amounts = { ...of(id), ...more };
      told.delete(id);
      told.set(id, { amounts, endsAtMs: now() + TOLD_MS });
      for (const [oldest, { endsAtMs }] of told) {
        if (endsAtMs > now()) break;
        told.delete(oldest);
      }
      return amounts;
    },
  };
}

/** The ids of the unfinished sessions for each query. */
type Index = Map<string, Set<string>>;

function keyOf(query: TallyQuery): string {
  if (query === 'all') return query;
  return 'principal' in query ? `principal ${query.principal}` : `authorization ${query.authorization}`;
}

/** Moves a session in the index from its old keys to its new ones. */
function move(index: Index, id: string, before: Row | undefined, after: Row | undefined): void {
  for (const key of before?.keys ?? []) {
    const ids = index.get(key);
    ids?.delete(id);
    if (ids?.size === 0) index.delete(key);
  }
  for (const key of after?.keys ?? []) {
    const ids = index.get(key);
    if (ids === undefined) index.set(key, new Set([id]));
    else ids.add(id);
  }
}
