/** Composes the collector of a server and, where nodes share its stores, the election of the node that collects. */
import type { Foundation } from './compose-foundation.ts';
import { ALWAYS_ELECTED, createElection, type Election } from './core/election.ts';
import { COLLECTOR } from './core/nodes/node-list.ts';
import { followWallClock, noteLastSeen } from './core/sessions/clock-jump.ts';
import { createCollecting, type Collecting } from './core/sessions/collecting.ts';
import { startCollector, type Collector } from './core/sessions/collector.ts';
import { createOrphanCollector } from './core/sessions/orphans.ts';
import type { Publishers } from './core/sessions/publishers.ts';

/** A lease lasts so many intervals: a node stays elected until its next run, even a late one. */
const RUNS_OF_A_LEASE = 2.5;
/** The shortest lease, for short intervals: a node that is busy for a moment stays elected. */
const LEAST_LEASE_MS = 5000;

type Base = Foundation & { readonly instanceId: string };

/** The sessions to collect from, and the function that goes on with interrupted commits. */
type From = Pick<Collecting, 'live' | 'expire'> & {
  readonly publishers: Pick<Publishers, 'isAbandoned' | 'isShared'>;
  readonly resumeAbandoned: (isStopping: () => boolean) => Promise<void>;
};

/** Starts the collector of a server. */
export function createCollector(base: Base, from: From): Collector & Pick<Election, 'isHeld'> {
  const { log, limits, times, content, sessions, room, metrics, clock, sharedClock } = base;
  const { live, publishers, resumeAbandoned } = from;
  const { orphanStagingMs, collectEveryMs } = limits;
  const election = createElectionOf(base);
  const noteSeen =
    sharedClock === undefined ? noteLastSeen({ ...base, tally: base.usage.tally }) : async () => {};
  let isEnding = false;
  let finishing: Promise<void> | undefined;
  const finishAbandoned = (): void => {
    finishing ??= resumeAbandoned(() => isEnding)
      .catch((error: unknown) => log.error({ err: error }, 'finishing the commits of other nodes failed'))
      .finally(() => (finishing = undefined));
  };
  const collectOnce = createCollecting(
    { content, sessions, times, ...from },
    {
      recount: room.recount,
      onSeen: () => noteSeen(),
      freeOrphans: createOrphanCollector({ content, now: times.now, orphanStagingMs, log }),
      onAbandoned: publishers.isShared ? finishAbandoned : () => undefined,
      onFreed: metrics.collected,
      log,
    },
  );
  const collector = startCollector({
    run: async (isStopped) => {
      if (sharedClock === undefined) await followWallClock({ clock, times, sessions, live, log });
      else await sharedClock.ask();
      await election.hold();
      const letGo = election.keep();
      try {
        await collectOnce({ isStopped, isElected: election.isHeld });
      } finally {
        letGo();
      }
    },
    onStop: async () => {
      isEnding = true;
      await noteSeen(true);
      await election.resign();
    },
    everyMs: collectEveryMs,
    log,
  });
  return { ...collector, isHeld: election.isHeld };
}

function createElectionOf({ state, times, limits, log, instanceId }: Base): Election {
  if (state === undefined) return ALWAYS_ELECTED;
  const leaseMs = Math.max(LEAST_LEASE_MS, RUNS_OF_A_LEASE * limits.collectEveryMs);
  return createElection({ state, key: COLLECTOR, instanceId, leaseMs, now: times.now, log });
}
