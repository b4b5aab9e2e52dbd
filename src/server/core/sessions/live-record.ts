/** The record of a session as this server last knew it, and the one way to change it: compare-and-set. */
import { CairnError } from '../../../base/errors.ts';
import {
  advance,
  changed,
  checkFence,
  isLeaseOver,
  leaseEnd,
  nextState,
  type SessionChanges,
  type SessionRecord,
} from '../../../session/record.ts';
import {
  kindOf,
  remember,
  type Moment,
  type MomentCause,
  type MomentKind,
} from '../../../session/history.ts';
import { isTerminal, type SessionEvent } from '../../../session/state.ts';
import type { Logger } from '../../../base/logger.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { SessionTimes } from './session-times.ts';

/** Changes to a record, or a function that computes them from the newest one. */
export type RecordChanges = SessionChanges | ((record: SessionRecord) => SessionChanges);

/** The parts that keep the records of one server's sessions. */
export interface RecordKeeping {
  readonly sessions: Pick<SessionStore, 'get' | 'replace'>;
  readonly times: SessionTimes;
  /** Whether this server has the bytes of a session with this holder that are not durable, or all are durable. */
  readonly isHeldHere: (holder: SessionRecord['holder']) => boolean;
  readonly log: Logger;
}

const MAX_ATTEMPTS = 20;

/** A session's record. */
export class LiveRecord {
  readonly #keeping: RecordKeeping;
  readonly #onTaken: () => void;
  #value: SessionRecord;
  #touchedAtMs = Number.NEGATIVE_INFINITY;
  /** The moments that {@link noteOnce} has noted, and their epoch. */
  readonly #noted = { epoch: 0, moments: new Set<string>() };

  /** @param onTaken called when a newer record shows that another process raised the epoch */
  constructor(keeping: RecordKeeping, value: SessionRecord, onTaken: () => void) {
    this.#keeping = keeping;
    this.#value = value;
    this.#onTaken = onTaken;
  }

  /** The record as this server last knew it. */
  get value(): SessionRecord {
    return this.#value;
  }

  /** Takes over a newer record, which another process may have written. */
  adopt(fresh: SessionRecord): void {
    if (fresh.version <= this.#value.version) return;
    const taken = fresh.epoch !== this.#value.epoch;
    this.#value = fresh;
    if (taken) this.#onTaken();
  }

  /** Reads the record where other processes may have changed it. @throws CairnError `session-not-found` */
  async refresh(): Promise<SessionRecord> {
    this.adopt(found(await this.#keeping.sessions.get(this.#value.id)));
    return this.#value;
  }

  /**
   * Checks the proof of a request, and its event against the state.
   *
   * @throws CairnError `session-fenced`, `session-credential`, `session-suspended`, errors of the state table
   */
  admit(proof: { epoch: number; credential: string }, event: SessionEvent): void {
    const record = this.#value;
    checkFence(record, proof.epoch, proof.credential);
    if (!isTerminal(record.state) && !this.isHeldHere()) {
      throw new CairnError('session-suspended', 'the session was suspended; resume it first');
    }
    nextState(record, event);
  }

  /** Whether this server has the bytes of this session that are not durable, or all are durable. */
  isHeldHere(): boolean {
    return this.#keeping.isHeldHere(this.#value.holder);
  }

  /** Gives up bytes that are not durable: until a resume all requests are refused, also if the disk takes no record. */
  disown(): void {
    this.#value = { ...this.#value, holder: null };
  }

  /** Refuses an epoch that is no longer the current one. @throws CairnError `session-fenced` */
  checkEpoch(epoch: number): void {
    if (epoch !== this.#value.epoch) throw fencedBy(this.#value.epoch);
  }

  /** When a request last touched the session while it was in memory here. */
  get touchedAtMs(): number | undefined {
    return this.#touchedAtMs === Number.NEGATIVE_INFINITY ? undefined : this.#touchedAtMs;
  }

  /** Whether the lease has ended without a request. */
  isLeaseOver(): boolean {
    const { times } = this.#keeping;
    if (!times.isJudging()) return false;
    const end = leaseEnd(this.#value, this.#touchedAtMs, times);
    return isLeaseOver(this.#value, times.now()) && times.now() >= end;
  }

  /** Extends the lease; written down only when an eighth of it has gone by, since a record costs a sync. */
  async touch(): Promise<void> {
    const { now, leaseMs } = this.#keeping.times;
    this.#touchedAtMs = now();
    if (this.#value.leaseExpiresAtMs - this.#touchedAtMs < (leaseMs * 7) / 8) await this.saveLease();
  }

  /**
   * Moves the session's times with a clock that jumped. Afterwards no time is later than now, and no lease is longer
   * than a new one.
   */
  async moveInTime(jumpMs: number): Promise<void> {
    const { leaseMs, keepEndedMs, keepCommittedMs, now } = this.#keeping.times;
    const nowMs = now();
    const within = (ms: number, latestMs: number): number => Math.max(0, Math.min(ms + jumpMs, latestMs));
    this.#touchedAtMs = Math.min(this.#touchedAtMs + jumpMs, nowMs);
    await this.change(undefined, ({ state, createdAtMs, leaseExpiresAtMs, rotatedAtMs }) => {
      const keptMs = isTerminal(state) ? Math.max(keepEndedMs, keepCommittedMs) : leaseMs;
      return {
        createdAtMs: within(createdAtMs, nowMs),
        leaseExpiresAtMs: within(leaseExpiresAtMs, nowMs + keptMs),
        ...(rotatedAtMs === undefined ? {} : { rotatedAtMs: within(rotatedAtMs, nowMs) }),
      };
    });
  }

  /** Writes down the lease. */
  async saveLease(): Promise<void> {
    const leaseExpiresAtMs = leaseEnd(this.#value, this.#touchedAtMs, this.#keeping.times);
    if (isTerminal(this.#value.state) || leaseExpiresAtMs <= this.#value.leaseExpiresAtMs) return;
    await this.change(undefined, { leaseExpiresAtMs });
  }

  /**
   * Changes the newest record. Without an event the state stays.
   *
   * @param epoch the epoch of the change; refused once there is a newer one
   * @param cause the initiator, for the session's history
   * @throws CairnError `session-not-found`, `session-fenced`, errors of the state table
   */
  change(
    event: SessionEvent | undefined,
    changes: RecordChanges = {},
    epoch?: number,
    cause: MomentCause = {},
  ): Promise<SessionRecord> {
    return this.#replace((current) => {
      const next = nextRecord(current, event, changes);
      const what = kindOf(event);
      return what === undefined ? next : this.#with(next, what, cause);
    }, epoch);
  }

  /** Changes the record, and adds to its history a moment that no event of the state table stands for. */
  note(what: MomentKind, cause: MomentCause, changes: RecordChanges = {}): Promise<SessionRecord> {
    return this.#replace((current) => this.#with(nextRecord(current, undefined, changes), what, cause));
  }

  /**
   * {@link note}, at most once in each epoch for the same reason, since others can cause such moments at will and
   * each costs a sync. A failure is logged and thrown nowhere.
   */
  async noteOnce(what: MomentKind, cause: MomentCause): Promise<void> {
    const { epoch, history = [] } = this.#value;
    const key = `${what} ${cause.why ?? ''}`;
    if (this.#noted.epoch !== epoch) this.#noted.moments.clear();
    this.#noted.epoch = epoch;
    if (this.#noted.moments.has(key)) return;
    this.#noted.moments.add(key);
    const isSame = (moment: Moment): boolean =>
      moment.what === what && moment.epoch === epoch && moment.why === cause.why;
    if (history.some(isSame)) return;
    try {
      await this.note(what, cause);
    } catch (error) {
      const { id } = this.#value;
      this.#keeping.log.warn(
        { session: id, what, err: error },
        'a moment of a session could not be added to its history',
      );
    }
  }

  #with(record: SessionRecord, what: MomentKind, cause: MomentCause): SessionRecord {
    const moment = { atMs: this.#keeping.times.now(), what, epoch: record.epoch, ...cause };
    return { ...record, history: remember(record.history, moment) };
  }

  async #replace(make: (current: SessionRecord) => SessionRecord, epoch?: number): Promise<SessionRecord> {
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      if (epoch !== undefined) this.checkEpoch(epoch);
      const next = make(this.#value);
      if (await this.#keeping.sessions.replace(next)) {
        if (next.version > this.#value.version) this.#value = next;
        return next;
      }
      await this.refresh();
    }
    throw new CairnError('server-busy', 'other requests keep changing the session; try again');
  }
}

function found(record: SessionRecord | undefined): SessionRecord {
  if (record !== undefined) return record;
  throw new CairnError('session-not-found', 'the session no longer exists');
}

function nextRecord(
  current: SessionRecord,
  event: SessionEvent | undefined,
  changes: RecordChanges,
): SessionRecord {
  const made = typeof changes === 'function' ? changes(current) : changes;
  return event === undefined ? changed(current, made) : advance(current, event, made);
}

/** The error for a request whose epoch is over. */
export function fencedBy(currentEpoch: number): CairnError {
  return new CairnError('session-fenced', 'another client took over this transfer; this one stops', {
    details: { currentEpoch },
  });
}
