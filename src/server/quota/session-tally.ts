/** How many sessions are unfinished, whose, and what they will bring. */
import type { SessionRecord } from '../../session/record.ts';
import { isTerminal } from '../../session/state.ts';

/**
 * Which sessions are meant: all of an owner, all that something authorized, by itself or through a grant of its, or all
 * that there are.
 */
export type TallyQuery = { readonly principal: string } | { readonly authorization: string } | 'all';

/** Counts unfinished sessions, in memory, as far as it was told of them. */
export interface SessionTally {
  /** Unfinished sessions that are meant, apart from those that `isLeftOut`, and the payload bytes of their pushes. */
  count(query: TallyQuery, isLeftOut?: (id: string) => boolean): { sessions: number; bytes: number };
  /** What {@link count} cannot exceed, at once: an owner may have ten thousand. */
  mostSessions(query: TallyQuery): number;
  isUnfinished(id: string): boolean;
  /** Payload bytes that a push is known to bring. */
  bytesOf(id: string): number;
  /** A push brings so many bytes, which its record does not say yet. */
  reserve(id: string, bytes: number): void;
  /** What was reserved for a session counts no longer. */
  release(id: string): void;
}

/** A {@link SessionTally} for whoever tells it of records. */
export interface WritableTally extends SessionTally {
  /** Takes a record in, unless a newer one was. */
  note(record: SessionRecord): void;
  /** There is no such record any more. */
  forget(id: string): void;
  has(id: string): boolean;
  ids(): IterableIterator<string>;
}

interface Row {
  readonly version: number;
  readonly isOver: boolean;
  /** Under which it is found while it is unfinished. */
  readonly keys: readonly string[];
  readonly bytes: number;
  readonly leaseExpiresAtMs: number;
}

/** Makes a tally of nothing. */
export function createTally(now: () => number): WritableTally {
  const rows = new Map<string, Row>();
  const reserved = new Map<string, number>();
  const unfinished: Index = new Map();
  const bytesOf = (id: string): number => Math.max(rows.get(id)?.bytes ?? 0, reserved.get(id) ?? 0);
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
    bytesOf,
    isUnfinished: (id) => rows.get(id)?.isOver === false,
    reserve: (id, bytes) => void reserved.set(id, bytes),
    release: (id) => void reserved.delete(id),
    mostSessions: (query) => unfinished.get(keyOf(query))?.size ?? 0,
    count: (query, isLeftOut = () => false) => {
      const nowMs = now();
      const sum = { sessions: 0, bytes: 0 };
      for (const id of unfinished.get(keyOf(query)) ?? []) {
        if ((rows.get(id)?.leaseExpiresAtMs ?? 0) <= nowMs || isLeftOut(id)) continue;
        sum.sessions += 1;
        sum.bytes += bytesOf(id);
      }
      return sum;
    },
  };
}

function rowOf(record: SessionRecord): Row {
  const { version, principal, state, authorization, leaseExpiresAtMs, direction, commit } = record;
  const isOver = isTerminal(state);
  const ids = [authorization?.id, authorization?.issuer?.id].filter((id) => id !== undefined);
  const queries: TallyQuery[] = ['all', { principal }, ...ids.map((id) => ({ authorization: id }))];
  return {
    version,
    isOver,
    keys: isOver ? [] : queries.map(keyOf),
    bytes: direction === 'push' ? (commit?.bytesTotal ?? record.bytesTotal ?? 0) : 0,
    leaseExpiresAtMs,
  };
}

/** The ids of the unfinished sessions that each query means. */
type Index = Map<string, Set<string>>;

function keyOf(query: TallyQuery): string {
  if (query === 'all') return query;
  return 'principal' in query ? `principal ${query.principal}` : `authorization ${query.authorization}`;
}

/** Finds a session under what it is now instead of what it was before. */
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
