/** How many sessions are unfinished, whose, and what they will bring: counted where their records go by. */
import type { SessionRecord } from '../../session/record.ts';
import { isTerminal } from '../../session/state.ts';
import type { SessionStore } from '../../storage/session-store.ts';

/** Which sessions are meant: all of an owner, or all that something authorized, by itself or through a grant of its. */
export type TallyQuery = { readonly principal: string } | { readonly authorization: string };

/** Counts unfinished sessions. In memory; right after {@link ready}, as far as this process can know. */
export interface SessionTally {
  /** Resolves when every record has been seen once. @throws CairnError, storage codes */
  ready(): Promise<void>;
  /** Unfinished sessions that are meant, apart from those that `isLeftOut`, and the payload bytes of their pushes. */
  count(query: TallyQuery, isLeftOut?: (id: string) => boolean): { sessions: number; bytes: number };
  isUnfinished(id: string): boolean;
  /** Payload bytes that a push is known to bring. */
  bytesOf(id: string): number;
  /** A push brings so many bytes, which its record does not say yet. */
  reserve(id: string, bytes: number): void;
  /** What was reserved for a session counts no longer. */
  release(id: string): void;
}

interface Row {
  readonly version: number;
  readonly isOver: boolean;
  readonly principal: string;
  readonly authorizations: readonly (string | undefined)[];
  readonly bytes: number;
  readonly leaseExpiresAtMs: number;
}

/** A session store that counts what goes through it, and its tally. */
export function tallied(
  store: SessionStore,
  now: () => number,
): { readonly store: SessionStore; readonly tally: SessionTally } {
  const rows = new Map<string, Row>();
  const reserved = new Map<string, number>();
  const note = (record: SessionRecord): void => {
    if ((rows.get(record.id)?.version ?? 0) > record.version) return;
    rows.set(record.id, rowOf(record));
    if (isTerminal(record.state)) reserved.delete(record.id);
  };
  const forget = (id: string): void => {
    rows.delete(id);
    reserved.delete(id);
  };
  const state = { isComplete: false };
  const list = async function* (): AsyncGenerator<SessionRecord> {
    const unseen = new Set(rows.keys());
    for await (const record of store.list()) {
      unseen.delete(record.id);
      note(record);
      yield record;
    }
    for (const id of unseen) forget(id);
    state.isComplete = true;
  };
  const counting: SessionStore = {
    properties: store.properties,
    // Counted before it is there: of two that ask at the same time the second finds the first.
    create: async (record) => {
      const isNew = !rows.has(record.id);
      if (isNew) note(record);
      try {
        await store.create(record);
      } catch (error) {
        if (isNew) forget(record.id);
        throw error;
      }
    },
    get: (id) => store.get(id),
    replace: async (next) => {
      const isReplaced = await store.replace(next);
      if (isReplaced) note(next);
      return isReplaced;
    },
    find: (query) => store.find(query),
    list,
    remove: async (id) => {
      await store.remove(id);
      forget(id);
    },
  };
  return { store: counting, tally: { ...countingOf(rows, reserved, now), ready: readyOf(list, state) } };
}

function readyOf(list: () => AsyncIterable<unknown>, state: { readonly isComplete: boolean }) {
  let seeing: Promise<void> | undefined;
  const seeAll = async (): Promise<void> => {
    for await (const _ of list()) {
      // Seeing it was all.
    }
  };
  return async (): Promise<void> => {
    if (state.isComplete) return;
    seeing ??= seeAll().finally(() => (seeing = undefined));
    await seeing;
  };
}

function countingOf(
  rows: ReadonlyMap<string, Row>,
  reserved: Map<string, number>,
  now: () => number,
): Omit<SessionTally, 'ready'> {
  const bytesOf = (id: string): number => Math.max(rows.get(id)?.bytes ?? 0, reserved.get(id) ?? 0);
  return {
    bytesOf,
    isUnfinished: (id) => rows.get(id)?.isOver === false,
    reserve: (id, bytes) => void reserved.set(id, bytes),
    release: (id) => void reserved.delete(id),
    count: (query, isLeftOut = () => false) => {
      const nowMs = now();
      const sum = { sessions: 0, bytes: 0 };
      for (const [id, row] of rows) {
        const isMeant =
          'principal' in query
            ? row.principal === query.principal
            : row.authorizations.includes(query.authorization);
        if (!isMeant || row.isOver || row.leaseExpiresAtMs <= nowMs || isLeftOut(id)) continue;
        sum.sessions += 1;
        sum.bytes += bytesOf(id);
      }
      return sum;
    },
  };
}

function rowOf(record: SessionRecord): Row {
  const { version, principal, state, authorization, leaseExpiresAtMs, direction, commit } = record;
  return {
    version,
    isOver: isTerminal(state),
    principal,
    authorizations: [authorization?.id, authorization?.issuer?.id],
    bytes: direction === 'push' ? (commit?.bytesTotal ?? record.bytesTotal ?? 0) : 0,
    leaseExpiresAtMs,
  };
}
