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

/** A {@link SessionTally} that takes in records. */
export interface WritableTally extends SessionTally {
  /** Takes in a record, unless it has a newer version. */
  note(record: SessionRecord): void;
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

/** Makes an empty tally. */
export function createTally(now: () => number): WritableTally {
  const rows = new Map<string, Row>();
  const reserved = new Map<string, Partial<Amounts>>();
  const unfinished: Index = new Map();
  const amountsOf = (id: string): Amounts => largest(rows.get(id)?.amounts ?? NOTHING, reserved.get(id));
  return {
    note: (record) => {
      const { id, version } = record;
      const before = rows.get(id);
      if ((before?.version ?? 0) > version) return;
      const row = rowOf(record);
      rows.set(id, row);
      move(unfinished, id, before, row);
      if (row.isOver) reserved.delete(id);
    },
    forget: (id) => {
      move(unfinished, id, rows.get(id), undefined);
      rows.delete(id);
      reserved.delete(id);
    },
    has: (id) => rows.has(id),
    ids: () => rows.keys(),
    bytesOf: (id) => amountsOf(id).bytes,
    isUnfinished: (id) => rows.get(id)?.isOver === false,
    reserve: (id, amounts) => void reserved.set(id, { ...reserved.get(id), ...amounts }),
    release: (id) => void reserved.delete(id),
    mostSessions: (query) => unfinished.get(keyOf(query))?.size ?? 0,
    count: (query, isLeftOut = () => false) => {
      const nowMs = now();
      const sum = { sessions: 0, ...NOTHING };
      for (const id of unfinished.get(keyOf(query)) ?? []) {
        if ((rows.get(id)?.leaseExpiresAtMs ?? 0) <= nowMs || isLeftOut(id)) continue;
        sum.sessions += 1;
        const { bytes, manifestBytes, entries } = amountsOf(id);
        sum.bytes += bytes;
        sum.manifestBytes += manifestBytes;
        sum.entries += entries;
      }
      return sum;
    },
  };
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

function rowOf(record: SessionRecord): Row {
  const { version, principal, state, authorization, leaseExpiresAtMs } = record;
  const isOver = isTerminal(state);
  const ids = [authorization?.id, authorization?.issuer?.id].filter((id) => id !== undefined);
  const queries: TallyQuery[] = ['all', { principal }, ...ids.map((id) => ({ authorization: id }))];
  return {
    version,
    isOver,
    keys: isOver ? [] : queries.map(keyOf),
    amounts: amountsIn(record.pass),
    leaseExpiresAtMs,
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
