/**
 * Frees what nobody needs: expired sessions, records of ended ones, staging areas that belong to nobody. Of many nodes over
 * the same stores one does so; the others only count what there is, and let go of what they hold in memory.
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
import { sideBySide } from './side-by-side.ts';
import type { StagingRoom } from './staging-room.ts';

/** Sessions that are freed at a time: enough for their syncs to share one, few enough to leave the disk to others. */
const FREED_AT_A_TIME = 8;

/** What the collector frees: unfinished sessions that expired, records of ended ones, and staging areas left behind. */
export type Collected = 'expired' | 'records' | 'areas';

/** What one run has freed. */
type Freed = Record<Collected, number>;

/** What is collected from. */
export interface Collecting {
  readonly content: Pick<ContentStore, 'openStaging' | 'listStaging'>;
  readonly sessions: Pick<SessionStore, 'list' | 'remove'>;
  readonly live: LiveSessions;
  readonly times: Pick<SessionTimes, 'now' | 'isJudging'>;
  readonly expire: Ending['expire'];
  /** Tells of what has everything, and whose commit is about to go on: too late to expire. */
  readonly publishers: Pick<Publishers, 'isAbandoned'>;
}

/** Asked again and again while the collector runs. */
export interface CollectingTurn {
  /** The server is about to end. */
  readonly isStopped: () => boolean;
  /** Whether it is this node that frees what nobody needs. */
  readonly isElected: () => boolean;
}

/** What is done besides, and who is told. */
export interface CollectingSteps {
  readonly recount: StagingRoom['recount'];
  /** Called when every record has been seen. */
  readonly onSeen: () => Promise<void>;
  /** Frees areas without a record, and answers how many. */
  readonly freeOrphans: (areas: ReadonlySet<string>) => Promise<number>;
  /** Told of commits that another node has left in the middle. */
  readonly onAbandoned: () => void;
  readonly onFreed: (what: Collected, count: number) => void;
  readonly log: Logger;
}

/** Makes one run of the collector; see {@link CollectingSteps} for what comes with it. */
export function createCollecting(
  from: Collecting,
  { recount, onSeen, freeOrphans, onAbandoned, onFreed, log }: CollectingSteps,
): (turn: CollectingTurn) => Promise<void> {
  const { content, sessions, live, times, publishers } = from;
  // One line a run that freed something: that it was done can be seen, and what it was is in the lines of each.
  const tell = (freed: Freed): void => {
    if (freed.expired + freed.records + freed.areas === 0) return;
    log.info(freed, 'the collector has freed what nobody needs');
    for (const what of ['expired', 'records', 'areas'] as const)
      if (freed[what] > 0) onFreed(what, freed[what]);
  };
  return async ({ isStopped, isElected }) => {
    await live.closeIdle();
    const areas = isElected() ? await sessionAreas(content) : new Set<string>();
    let isLeftInTheMiddle = false;
    const counting = recount();
    const freed: Freed = { expired: 0, records: 0, areas: 0 };
    await sideBySide(sessions.list(), FREED_AT_A_TIME, async (record) => {
      const hasArea = areas.delete(record.id);
      counting.note(record);
      // Ten thousand may be due at once: whoever ends the server does not wait for them.
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
    }
    if (isLeftInTheMiddle) onAbandoned();
    tell(freed);
  };
}

/** Does what is due with a record whose lease is over: an unfinished session expires, an ended one is removed. */
async function tend(
  from: Collecting,
  record: SessionRecord,
  { hasArea, freed }: { hasArea: boolean; freed: Freed },
): Promise<void> {
  const { sessions, live, expire } = from;
  // Who still asks for an ended session must not keep it: it only gets an answer, and will get another one.
  if (isTerminal(record.state)) {
    // In this order: who asks between the two would have it loaded again, and kept as long as he goes on asking.
    await sessions.remove(record.id);
    await live.forget(record.id);
    freed.records += 1;
    if (hasArea) await freeArea(from, record.id, freed);
    return;
  }
  if (await live.isBusy(record.id)) return;
  const hasEnded = await live.use(record.id, async (session) => {
    // In memory it may have been touched since its lease was last written down.
    const { state } = session.record.value;
    if (!isTerminal(state) && session.record.isLeaseOver()) {
      await expire(session);
      if (session.record.value.state === 'expired') freed.expired += 1;
    }
    return isTerminal(session.record.value.state);
  });
  // It was loaded only for this; whoever came for it meanwhile keeps it.
  if (hasEnded) await live.forgetUnused(record.id);
}

/** Frees what an ended session had staged, where a crash came before that was done at its end. */
async function freeArea({ content, live }: Collecting, id: string, freed: Freed): Promise<void> {
  // Whoever has ended it just now is about to do so.
  if (await live.isBusy(id)) return;
  await (await content.openStaging(id)).discard();
  freed.areas += 1;
}
