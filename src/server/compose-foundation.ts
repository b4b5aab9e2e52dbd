/** Composes the base of a server: limits, clocks, stores, reservations and metrics. */
import { CairnError } from '../base/errors.ts';
import { DEFAULT_LEASE_MS, DEFAULT_MAX_AGE_MS } from '../session/record.ts';
import type { StateStore } from '../storage/state/state-store.ts';
import type { SessionRecord } from '../session/record.ts';
import type { SessionStore } from '../storage/state/session-store.ts';
import { withTransientPulls } from '../storage/state/transient-pulls.ts';
import { createSteadyClock, SYSTEM_CLOCKS } from './core/clock.ts';
import { openStoreClock, type StoreClock } from './core/store-clock.ts';
import { NEVER_SEEN } from './core/last-seen.ts';
import { createMetadataPolicy } from './core/metadata-policy.ts';
import { DEFAULT_LIMITS } from './server-limits.ts';
import { NO_METRICS } from './operations/metrics.ts';
import { hidingPaths } from './core/own-paths.ts';
import { createAnnouncements, tellingEnds } from './core/quota/announcements.ts';
import { chargedFor } from './core/quota/quota.ts';
import { tallied } from './core/quota/tallied-store.ts';
import { createUsageLedger } from './core/quota/usage-ledger.ts';
import type { SessionTimes } from './core/sessions/session-times.ts';
import { createStagingRoom } from './core/sessions/staging-room.ts';
import { createReadiness } from './operations/readiness.ts';
import { createSessionCounts } from './operations/session-counts.ts';
import type { ServerOptions } from './server-options.ts';

/** The clock of the state that nodes share; undefined for a lone server. @throws CairnError storage codes */
export async function openSharedClock({
  state,
  now,
  clocks = SYSTEM_CLOCKS,
}: Pick<ServerOptions, 'state' | 'now' | 'clocks'>): Promise<StoreClock | undefined> {
  if (state?.properties.shared !== true || now !== undefined) return undefined;
  return openStoreClock(() => state.now(), clocks.elapsed);
}

/** Whether a server has ended or is about to, as its parts see it. */
export interface Life {
  readonly isKilled: boolean;
  readonly isDraining: boolean;
  /** Whether it is about to end, and serves until then: balancers are to send nothing new. */
  readonly isLeaving: boolean;
}

/** The foundation of one server; only the `compose-*.ts` see all of it. */
export type Foundation = ReturnType<typeof createFoundation>;

/**
 * Makes the foundation of a server from its options.
 *
 * @param sharedClock see {@link openSharedClock}
 * @param late what is known only later: the connections of its port, which is not open yet, and whether this node is elected
 */
export function createFoundation(
  options: ServerOptions,
  life: Life,
  sharedClock: StoreClock | undefined,
  late: { openConnections(): Promise<number>; isElected(): boolean },
) {
  const { log, places = [], lastSeen = NEVER_SEEN } = options;
  const { now, clocks = now === undefined ? SYSTEM_CLOCKS : { wall: now, elapsed: now } } = options;
  const clock = sharedClock ?? createSteadyClock(clocks, lastSeen.atMs);
  const { content, sessions } = storesOf(options);
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const readiness = createReadiness(places, () => life.isDraining || life.isLeaving, { log, now: clock.now });
  const room = createStagingRoom(content, limits);
  const exposed = options.metrics?.({
    sessionsByState: createSessionCounts(options.sessions),
    openConnections: () => late.openConnections(),
    tellsShared: () => late.isElected(),
    nodes: () => options.node?.count(),
    stagedBytes: () => room.bytes,
    memory: options.memory,
    freeBytes: () => readiness.freeBytesByPlace(),
  });
  const { store, tally } = tallied(mortal(sessions, life), clock.now);
  const ledger = options.usage ?? createUsageLedger();
  const { memory } = options;
  const announcements =
    memory === undefined ? undefined : createAnnouncements({ memory, tally, room, ledger });
  const isCharged = (record: SessionRecord): boolean => chargedFor(record).length > 0;
  const times: SessionTimes = {
    now: clock.now,
    isJudging: clock.isJudging,
    leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
    maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
    keepEndedMs: limits.keepEndedMs,
    keepCommittedMs: limits.keepCommittedMs,
  };
  return {
    log,
    limits,
    clock,
    sharedClock,
    state: sharedStateOf(options, life),
    times,
    lastSeen,
    wallNow: clocks.wall,
    content,
    metadata: createMetadataPolicy(content.properties.metadata, options.allowOwners === true),
    sessions: announcements === undefined ? store : tellingEnds(store, announcements, isCharged),
    usage: { tally, ledger, announcements },
    room,
    readiness,
    exposed,
    metrics: exposed ?? NO_METRICS,
    hidePaths: hidingPaths(options.ownDirectories ?? []),
  };
}

/** A lone server keeps pulls in memory where its disk takes nothing; other processes could not see them there. */
function storesOf(options: ServerOptions): Pick<ServerOptions, 'content' | 'sessions'> {
  return options.sessions.properties.shared ? options : withTransientPulls(options);
}

/** The documents that nodes share, without writes once the server is killed. */
function sharedStateOf(
  { state }: Pick<ServerOptions, 'state'>,
  life: Life,
): Pick<StateStore, 'get' | 'compareAndSet'> | undefined {
  if (state?.properties.shared !== true) return undefined;
  return {
    get: (key) => state.get(key),
    compareAndSet: async (key, version, text) => {
      checkAlive(life);
      return state.compareAndSet(key, version, text);
    },
  };
}

function checkAlive({ isKilled }: Life): void {
  if (isKilled) throw new CairnError('server-busy', 'the server was killed');
}

/** A store that refuses writes once the server is killed: work that still runs changes no record. */
function mortal(store: SessionStore, life: Life): SessionStore {
  const alive = (): void => checkAlive(life);
  return {
    properties: store.properties,
    create: async (record) => {
      alive();
      await store.create(record);
    },
    get: (id) => store.get(id),
    recent: (known) => store.recent?.(known) ?? store.get(known.id),
    replace: async (next) => {
      alive();
      return store.replace(next);
    },
    find: (query) => store.find(query),
    list: () => store.list(),
    remove: async (id) => {
      alive();
      await store.remove(id);
    },
  };
}
