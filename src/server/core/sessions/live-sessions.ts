/** The sessions in memory: loaded when a request needs one, and let go when no request uses it. */
import { CairnError } from '../../../base/errors.ts';
import type { SessionRecord } from '../../../session/record.ts';
import type { LiveSession } from './live-session.ts';
import { lastingChanges } from './progress.ts';
import type { Logger } from '../../../base/logger.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';

interface Slot {
  readonly live: Promise<LiveSession>;
  users: number;
  usedAtMs: number;
  /** Set while the session is let go; a request for it waits and loads it again. */
  closing: Promise<void> | undefined;
}

/** The parts that load sessions, and the time after which they are let go. */
export interface LiveSessionsOptions {
  readonly sessions: Pick<SessionStore, 'get' | 'recent' | 'properties'>;
  readonly open: (record: SessionRecord) => LiveSession;
  readonly now: () => number;
  /** A session without a request for this time, in milliseconds, is let go. */
  readonly idleMs: number;
  readonly log: Logger;
}

/** All sessions in memory. */
export class LiveSessions {
  readonly #options: LiveSessionsOptions;
  #onUse: () => void = () => undefined;
  readonly #slots = new Map<string, Slot>();

  constructor(options: LiveSessionsOptions) {
    this.#options = options;
  }

  /** Calls `told` from now on whenever a request wants a session. */
  onUse(told: () => void): void {
    this.#onUse = told;
  }

  /**
   * Runs `work` with a session, which stays in memory meanwhile.
   *
   * @param how `recent`: what other nodes did in the last few seconds may not be known yet; for work that changes nothing
   * @throws CairnError `session-not-found`
   */
  async use<T>(
    id: string,
    work: (live: LiveSession) => Promise<T>,
    how: 'newest' | 'recent' = 'newest',
  ): Promise<T> {
    const slot = await this.#acquire(id);
    this.#onUse();
    try {
      const live = await slot.live;
      await this.#refresh(live, how);
      return await work(live);
    } finally {
      slot.users -= 1;
      slot.usedAtMs = this.#options.now();
    }
  }

  /** Sessions in memory with a running commit or a request in flight. */
  async isBusy(id: string): Promise<boolean> {
    const slot = this.#slots.get(id);
    if (slot === undefined) return false;
    if (slot.users > 0) return true;
    return (await slot.live).job?.isRunning === true;
  }

  /** A session that is in memory: to read only, since it may be on its way out. */
  async peek(id: string): Promise<LiveSession | undefined> {
    return this.#slots.get(id)?.live.catch(() => undefined); // the request for the session gets the error
  }

  /**
   * Takes over the newest record of a session in memory that another node has changed: requests of an older epoch end at
   * once. @throws CairnError storage codes
   */
  async changedElsewhere(id: string): Promise<void> {
    const live = await this.peek(id);
    const record = live === undefined ? undefined : await this.#options.sessions.get(id);
    if (record !== undefined) live?.record.adopt(record);
  }

  /** Sessions in memory that have a request in flight. */
  async atWork(): Promise<LiveSession[]> {
    const loading = [...this.#slots.values()].filter(
      ({ users, closing }) => users > 0 && closing === undefined,
    );
    const loaded = await Promise.allSettled(loading.map(({ live }) => live));
    return loaded.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  }

  /** Lets go of sessions without a request for a while. */
  async closeIdle(): Promise<void> {
    const { now, idleMs } = this.#options;
    for (const [id, slot] of this.#slots) {
      if (now() - slot.usedAtMs < idleMs || (await this.isBusy(id))) continue;
      // A request may have come for it meanwhile.
      if (slot.users === 0) await this.#close(id, slot, 'idle');
    }
  }

  /** Suspends every open session after a sync point, and lets go of all. */
  async suspendAll(): Promise<void> {
    await Promise.all([...this.#slots].map(([id, slot]) => this.#close(id, slot, 'suspend')));
  }

  /** Lets go of a session that has nothing left to lose. */
  async forget(id: string): Promise<void> {
    const slot = this.#slots.get(id);
    if (slot !== undefined) await this.#close(id, slot, 'forget');
  }

  /** {@link forget}, unless a request uses it. */
  async forgetUnused(id: string): Promise<void> {
    if (!(await this.isBusy(id))) await this.forget(id);
  }

  /** Lets go of everything without a sync point, like a kill of the process. */
  async forgetAll(): Promise<void> {
    await Promise.all([...this.#slots].map(([id, slot]) => this.#close(id, slot, 'forget')));
  }

  async #acquire(id: string): Promise<Slot> {
    for (;;) {
      const slot = this.#slots.get(id) ?? this.#load(id);
      if (slot.closing === undefined) {
        slot.users += 1;
        return slot;
      }
      await slot.closing;
    }
  }

  #load(id: string): Slot {
    const { sessions, open } = this.#options;
    const live = sessions.get(id).then((record) => open(found(record)));
    const slot: Slot = { live, users: 0, usedAtMs: this.#options.now(), closing: undefined };
    this.#slots.set(id, slot);
    live.catch(() => this.#slots.delete(id)); // the request for the session gets the error
    return slot;
  }

  /** Reads a record again where other processes change records, too. */
  async #refresh(live: LiveSession, how: 'newest' | 'recent'): Promise<void> {
    const { sessions } = this.#options;
    if (sessions.properties.shared) {
      const recent = how === 'recent' ? sessions.recent?.(live.record.value) : undefined;
      live.record.adopt(found(await (recent ?? sessions.get(live.id))));
    }
    await live.takeover;
  }

  #close(id: string, slot: Slot, how: 'idle' | 'suspend' | 'forget'): Promise<void> {
    slot.closing ??= this.#letGo(slot, how)
      .catch((error: unknown) => {
        this.#options.log.error({ session: id, err: error }, 'closing a session failed');
      })
      .finally(() => {
        if (this.#slots.get(id) === slot) this.#slots.delete(id);
      });
    return slot.closing;
  }

  async #letGo(slot: Slot, how: 'idle' | 'suspend' | 'forget'): Promise<void> {
    const live = await slot.live;
    // Publishing cannot be stopped half-way; the requests for it get its error.
    if (how === 'suspend') await live.job?.done.catch(() => undefined);
    const isSynced = how !== 'forget' && live.record.value.state === 'open';
    if (isSynced) await live.content.syncOpened();
    const lasting = how === 'forget' ? {} : await lastingChanges(live);
    const synced = await live.content.closeChunks({ sync: isSynced });
    if (how === 'forget') return;
    await live.record.saveLease();
    const { durableSyncPoint = 0 } = live.record.value.pass;
    if (how === 'idle' && synced !== undefined && synced.durableSyncPoint > durableSyncPoint) {
      // The client goes on in the same epoch: what it knows of sync points must stay true.
      const pass = { ...lasting.pass, durableSyncPoint: synced.durableSyncPoint };
      await live.record.note('unloaded', { why: 'idle' }, { ...lasting, pass });
    }
    const { state } = live.record.value;
    if (how !== 'suspend' || (state !== 'open' && state !== 'establishing')) return;
    await live.record.change('suspend', { ...lasting, holder: null }, undefined, { why: 'shutdown' });
    this.#options.log.info({ session: live.id }, 'session suspended');
  }
}

function found(record: SessionRecord | undefined): SessionRecord {
  if (record !== undefined) return record;
  throw new CairnError('session-not-found', 'there is no such session; run the command again to start over');
}
