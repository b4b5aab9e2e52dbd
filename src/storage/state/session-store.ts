/** The store of session records: one process's files, or a store that many processes share. */
import type { SessionRecord } from '../../session/record.ts';
import { isTerminal } from '../../session/state.ts';

/** Describes the unfinished session that a client looks for when it has lost the id. */
export interface SessionQuery {
  readonly principal: string;
  readonly direction: 'push' | 'pull';
  readonly target: string;
  readonly manifestId: string;
}

/** The abilities of a session store. */
export interface SessionStoreProperties {
  /** Whether other processes see and change the same records. */
  readonly shared: boolean;
}

/** Keeps session records; every change is durable when it resolves. */
export interface SessionStore {
  readonly properties: SessionStoreProperties;
  /** Adds a record with a new id. Throws `internal` if the id is taken. */
  create(record: SessionRecord): Promise<void>;
  get(id: string): Promise<SessionRecord | undefined>;
  /**
   * Like {@link get}, for a request that changes nothing: may answer `known`, although another node has replaced it in the
   * last few seconds. Where it is missing, nothing is quicker than `get`.
   */
  recent?(known: SessionRecord): Promise<SessionRecord | undefined>;
  /**
   * Compare-and-set: replaces the record whose version is `next.version - 1`. Returns false, without a change, where
   * there is another version, or no record.
   */
  replace(next: SessionRecord): Promise<boolean>;
  /** Unfinished sessions (not committed, aborted or expired) that match, the most recently created first. */
  find(query: SessionQuery): Promise<SessionRecord[]>;
  /** Every record, in no order. */
  list(): AsyncIterable<SessionRecord>;
  remove(id: string): Promise<void>;
}

/** Whether a record is an unfinished session that matches a query. */
export function isMeant(record: SessionRecord, query: SessionQuery): boolean {
  return (
    record.principal === query.principal &&
    record.pass.direction === query.direction &&
    record.target === query.target &&
    record.pass.manifestId === query.manifestId &&
    !isTerminal(record.state)
  );
}
