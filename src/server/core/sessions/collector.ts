/** Frees what nobody needs: expired sessions, records of ended ones, staging areas that belong to nobody. */
import { isLeaseOver, type SessionRecord } from '../../../session/record.ts';
import { isTerminal } from '../../../session/state.ts';
import type { Collected } from '../metrics.ts';
import { followWallClock, noteLastSeen } from './clock-jump.ts';
import { expireSession } from './expiry.ts';
import type { LiveSessions } from './live-sessions.ts';
import { sessionAreas } from './session-areas.ts';
import { sideBySide } from './side-by-side.ts';
import type { SessionContext } from '../../server-context.ts';

/** Sessions that are freed at a time: enough for their syncs to share one, few enough to leave the disk to others. */
const FREED_AT_A_TIME = 8;

/** What one run has freed. */
type Freed = Record<Collected, number>;

/** Runs by itself until it is stopped; {@link collect} runs it once. */
export interface Collector {
  collect(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the collector of a server. Its timer does not keep the process alive. */
export function startCollector(context: SessionContext, live: LiveSessions): Collector {
  const orphans = new Map<string, number>();
  const noteSeen = noteLastSeen(context);
  let stopped = false;
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    if (stopped) return;
    await followWallClock(context, live);
    await live.closeIdle();
    const areas = await sessionAreas(context.content);
    const recount = context.room.recount();
    const freed: Freed = { expired: 0, records: 0, areas: 0 };
    await sideBySide(context.sessions.list(), FREED_AT_A_TIME, async (record) => {
      const hasArea = areas.delete(record.id);
      recount.note(record);
      // Ten thousand may be due at once: whoever ends the server does not wait for them.
      if (stopped) return;
      if (isLeaseOver(record, context.now())) {
        if (context.clock.isJudging()) await tend(context, live, record, { hasArea, freed });
      } else if (isTerminal(record.state) && hasArea) await freeArea(context, live, record.id, freed);
    });
    if (stopped) {
      tell(context, freed);
      return;
    }
    recount.done();
    await noteSeen();
    await discardOrphans(context, areas, { orphans, freed });
    tell(context, freed);
  };
  const runSafely = (): Promise<void> =>
    run().catch((error: unknown) => {
      context.log.error({ err: error }, 'collecting old sessions failed; it is tried again');
    });
  // At most one waits for the one that runs: a slow store must not make them queue up.
  const collect = (): Promise<void> => {
    waiting ??= running.then(() => {
      waiting = undefined;
      running = runSafely();
      return running;
    });
    return waiting;
  };
  const timer = setInterval(() => void collect(), context.limits.collectEveryMs).unref();
  return {
    collect,
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await (waiting ?? running);
      await noteSeen(true);
    },
  };
}

/** One line a run that freed something: that it was done can be seen, and what it was is in the lines of each. */
function tell({ log, metrics }: SessionContext, freed: Freed): void {
  if (freed.expired + freed.records + freed.areas === 0) return;
  log.info(freed, 'the collector has freed what nobody needs');
  for (const what of ['expired', 'records', 'areas'] as const)
    if (freed[what] > 0) metrics.collected(what, freed[what]);
}

/** Does what is due with a record whose lease is over: an unfinished session expires, an ended one is removed. */
async function tend(
  context: SessionContext,
  live: LiveSessions,
  record: SessionRecord,
  { hasArea, freed }: { hasArea: boolean; freed: Freed },
): Promise<void> {
  // Who still asks for an ended session must not keep it: it only gets an answer, and will get another one.
  if (isTerminal(record.state)) {
    // In this order: who asks between the two would have it loaded again, and kept as long as he goes on asking.
    await context.sessions.remove(record.id);
    await live.forget(record.id);
    freed.records += 1;
    if (hasArea) await freeArea(context, live, record.id, freed);
    return;
  }
  if (awaitsPublishing(context, record) || (await live.isBusy(record.id))) return;
  const hasEnded = await live.use(record.id, async (session) => {
    // In memory it may have been touched since its lease was last written down.
    const { state } = session.record.value;
    if (!isTerminal(state) && session.record.isLeaseOver()) {
      await expireSession(context, session);
      if (session.record.value.state === 'expired') freed.expired += 1;
    }
    return isTerminal(session.record.value.state);
  });
  // It was loaded only for this; whoever came for it meanwhile keeps it.
  if (hasEnded) await live.forgetUnused(record.id);
}

/** Frees what an ended session had staged, where a crash came before that was done at its end. */
async function freeArea(
  { content }: SessionContext,
  live: LiveSessions,
  id: string,
  freed: Freed,
): Promise<void> {
  // Whoever has ended it just now is about to do so.
  if (await live.isBusy(id)) return;
  await (await content.openStaging(id)).discard();
  freed.areas += 1;
}

/** Whether it has everything, and its commit is about to go on after a restart: too late to expire. */
function awaitsPublishing(
  { sessions, instanceId }: SessionContext,
  { state, direction, holder }: SessionRecord,
): boolean {
  const isInterrupted = state === 'committing' && direction === 'push' && holder !== instanceId;
  return isInterrupted && !sessions.properties.shared;
}

/** A new session makes its area before its record may be seen here: only what stays without one is an orphan. */
async function discardOrphans(
  context: SessionContext,
  areas: ReadonlySet<string>,
  { orphans, freed }: { orphans: Map<string, number>; freed: Freed },
): Promise<void> {
  const now = context.now();
  for (const id of orphans.keys()) if (!areas.has(id)) orphans.delete(id);
  for (const id of areas) {
    const since = orphans.get(id) ?? now;
    orphans.set(id, since);
    if (now - since < context.limits.orphanStagingMs) continue;
    const area = await context.content.openStaging(id);
    await area.discard();
    freed.areas += 1;
    orphans.delete(id);
    context.log.warn({ session: id }, 'freed a staging area that belonged to no session');
  }
}
