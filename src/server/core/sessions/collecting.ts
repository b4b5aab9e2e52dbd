/**
 * Frees expired sessions, the records of ended ones, and staging areas without a session. Of the nodes over the same
 * stores one does this; the others only count records, and let go of sessions in memory.
 */
import type { Logger } from '../../../base/logger.ts';
import { isLeaseOver, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import type { Ending } from './ending.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { Publishers } from './publishers.ts';
import { sessionAreas } from './session-areas.ts';
import type { SessionTimes } from './session-times.ts';
import { sideBySide } from '../../../base/side-by-side.ts';
import type { StagingRoom } from './staging-room.ts';

/** Sessions freed at a time: enough to share a sync, few enough to leave the disk to other work. */
const FREED_AT_A_TIME = 8;

/**
 * The kinds of things that the collector frees: expired sessions, records of ended ones, orphaned staging areas, objects
 * that no entry needs.
 */
export type Collected = 'expired' | 'records' | 'areas' | 'objects';

/** How many of each kind one run has freed. */
type Freed = Record<Collected, number>;

/** The parts of a server that the collector works on. */
export interface Collecting {
  readonly content: Pick<ContentStore, 'openStaging' | 'listStaging' | 'collect'>;
  readonly sessions: Pick<SessionStore, 'list' | 'remove'>;
  readonly live: LiveSessions;
  readonly times: Pick<SessionTimes, 'now' | 'isJudging'>;
  readonly expire: Ending['expire'];
  /** Tells which sessions have a commit that is about to go on: they must not expire. */
  readonly publishers: Pick<Publishers, 'isAbandoned'>;
}

/** The conditions that the collector checks again and again during a run. */
export interface CollectingTurn {
  /** Whether the server is about to end. */
  readonly isStopped: () => boolean;
  /** Whether this node is the one that frees. */
  readonly isElected: () => boolean;
}

/** The steps besides, and the listeners. */
export interface CollectingSteps {
  readonly recount: StagingRoom['recount'];
  /** Called when the run has seen every record. */
  readonly onSeen: () => Promise<void>;
  /** Frees areas without a record, and answers how many. */
  readonly freeOrphans: (areas: ReadonlySet<string>) => Promise<number>;
  /** Called where another node has left commits unfinished. */
  readonly onAbandoned: () => void;
  readonly onFreed: (what: Collected, count: number) => void;
  readonly log: Logger;
}

/** Makes one run of the collector, with the steps of {@link CollectingSteps}. */
export function createCollecting(
  from: Collecting,
  { recount, onSeen, freeOrphans, onAbandoned, onFreed, log }: CollectingSteps,
): (turn: CollectingTurn) => Promise<void> {
  const { content, sessions, live, times, publishers } = from;
  // One line for each run that freed something; each session and area has a line of its own.
  const tell = (freed: Freed): void => {
    if (freed.expired + freed.records + freed.areas + freed.objects === 0) return;
    log.info(freed, 'the collector has freed what no session needs');
    for (const what of ['expired', 'records', 'areas', 'objects'] as const)
      if (freed[what] > 0) onFreed(what, freed[what]);
  };
  return async ({ isStopped, isElected }) => {
    await live.closeIdle();
    const areas = isElected() ? await sessionAreas(content) : new Set<string>();
    let isLeftInTheMiddle = false;
    const counting = recount();
    const freed: Freed = { expired: 0, records: 0, areas: 0, objects: 0 };
    await sideBySide(sessions.list(), FREED_AT_A_TIME, async (record) => {
      const hasArea = areas.delete(record.id);
      counting.note(record);
      // Ten thousand may be due at once; the end of the server must not wait for them.
      if (isStopped() || !isElected()) return;
      if (publishers.isAbandoned(record)) isLeftInTheMiddle = true;
      else if (isLeaseOver(record, times.now())) {
        if (times.isJudging()) await tend(from, record, { hasArea, freed });
      } else if (isTerminal(record.state) && hasArea) await freeArea(from, record.id, freed);
    });
    if (!isStopped()) {
      counting.done();
      await onSeen();
      if (isElected()) freed.areas += await freeOrphans(areas);
      if (isElected()) freed.objects += (await content.collect?.(() => isStopped() || !isElected())) ?? 0;
    }
    if (isLeftInTheMiddle) onAbandoned();
    tell(freed);
  };
}

/** Treats a record whose lease is over: an unfinished session expires, an ended one is removed. */
async function tend(
  from: Collecting,
  record: SessionRecord,
  { hasArea, freed }: { hasArea: boolean; freed: Freed },
): Promise<void> {
  const { sessions, live, expire } = from;
  // Requests must not keep an ended session: they get an answer now, and another one later.
  if (isTerminal(record.state)) {
    // In this order: a request between the two would load the session again and keep it.
    await sessions.remove(record.id);
    await live.forget(record.id);
    freed.records += 1;
    if (hasArea) await freeArea(from, record.id, freed);
    return;
  }
  if (await live.isBusy(record.id)) return;
  const hasEnded = await live.use(record.id, async (session) => {
    // In memory a later touch may be known than in the record.
    const { state } = session.record.value;
    if (!isTerminal(state) && session.record.isLeaseOver()) {
      await expire(session);
      if (session.record.value.state === 'expired') freed.expired += 1;
    }
    return isTerminal(session.record.value.state);
  });
  // It was loaded only for this; a request that uses it now keeps it.
  if (hasEnded) await live.forgetUnused(record.id);
}

/** Frees the staging of an ended session, where a crash prevented that at its end. */
async function freeArea({ content, live }: Collecting, id: string, freed: Freed): Promise<void> {
  // The request that has just ended it is about to free it.
  if (await live.isBusy(id)) return;
  await (await content.openStaging(id)).discard();
  freed.areas += 1;
}
