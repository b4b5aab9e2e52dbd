/** Frees what nobody needs: expired sessions, records of ended ones, staging areas that belong to nobody. */
import { isLeaseOver, type SessionRecord } from '../../session/record.ts';
import { isTerminal } from '../../session/state.ts';
import { expireSession } from './expiry.ts';
import type { LiveSessions } from './live-sessions.ts';
import type { SessionContext } from '../server-context.ts';

/** Runs by itself until it is stopped; {@link collect} runs it once. */
export interface Collector {
  collect(): Promise<void>;
  /** Sessions that are not at their end, as of the last run and what was established since. */
  unfinished(): number;
  /** Notes a new session. */
  established(): void;
  stop(): Promise<void>;
}

/** Starts the collector of a server. Its timer does not keep the process alive. */
export function startCollector(context: SessionContext, live: LiveSessions): Collector {
  const orphans = new Map<string, number>();
  let unfinished = 0;
  let running: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    await live.closeIdle();
    const areas = new Set(await context.content.listStaging());
    let count = 0;
    for await (const record of context.sessions.list()) {
      areas.delete(record.id);
      if (!isTerminal(record.state)) count += 1;
      if (isLeaseOver(record, context.now())) await tend(context, live, record);
    }
    unfinished = count;
    await discardOrphans(context, areas, orphans);
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
    unfinished: () => unfinished,
    established: () => {
      unfinished += 1;
    },
    stop: async () => {
      clearInterval(timer);
      await (waiting ?? running);
    },
  };
}

/** Does what is due with a record whose lease is over: an unfinished session expires, an ended one is removed. */
async function tend(context: SessionContext, live: LiveSessions, record: SessionRecord): Promise<void> {
  // Who still asks for an ended session must not keep it: it only gets an answer, and will get another one.
  if (isTerminal(record.state)) {
    // In this order: who asks between the two would have it loaded again, and kept as long as he goes on asking.
    await context.sessions.remove(record.id);
    await live.forget(record.id);
    // Again, for a crash may have come before it was done at the session's end.
    const area = await context.content.openStaging(record.id);
    await area.discard();
    return;
  }
  if (await live.isBusy(record.id)) return;
  await live.use(record.id, async (session) => {
    // In memory it may have been touched since its lease was last written down.
    const { state } = session.record.value;
    if (!isTerminal(state) && session.record.isLeaseOver()) await expireSession(context, session);
  });
}

/** A new session makes its area before its record may be seen here: only what stays without one is an orphan. */
async function discardOrphans(
  context: SessionContext,
  areas: ReadonlySet<string>,
  orphans: Map<string, number>,
): Promise<void> {
  const now = context.now();
  for (const id of orphans.keys()) if (!areas.has(id)) orphans.delete(id);
  for (const id of areas) {
    const since = orphans.get(id) ?? now;
    orphans.set(id, since);
    if (now - since < context.limits.orphanStagingMs) continue;
    const area = await context.content.openStaging(id);
    await area.discard();
    orphans.delete(id);
    context.log.warn({ session: id }, 'freed a staging area that belonged to no session');
  }
}
