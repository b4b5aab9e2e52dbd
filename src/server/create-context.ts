/** Everything that the handlers of one server share, made out of its options. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import { DEFAULT_SYNC_MODE } from '../session/sync-mode.ts';
import { DEFAULT_LEASE_MS, DEFAULT_MAX_AGE_MS } from '../session/record.ts';
import { createByteBudget } from '../transfer/byte-budget.ts';
import { DEFAULT_GROUP_COMMIT } from '../transfer/group-commit.ts';
import type { SessionStore } from '../storage/state/session-store.ts';
import { withTransientPulls } from '../storage/state/transient-pulls.ts';
import { Answering } from './http/answering.ts';
import { countFailedAuthentications } from './access/failed-authentications.ts';
import { createSteadyClock, SYSTEM_CLOCKS } from './core/clock.ts';
import { addressReader } from './http/client-address.ts';
import { NEVER_SEEN } from './core/last-seen.ts';
import { DEFAULT_LIMITS } from './core/limits.ts';
import { createLimitedLog } from './http/log-limiter.ts';
import { NO_METRICS, type MetricsSources } from './core/metrics.ts';
import { createReadiness, type Readiness } from './operations/readiness.ts';
import { hidingPaths } from './core/own-paths.ts';
import { createSessionCounts } from './operations/session-counts.ts';
import { tallied } from './core/quota/tallied-store.ts';
import { createUsageLedger } from './core/quota/usage-ledger.ts';
import { createRefusals } from './http/refusals.ts';
import type { ServerContext, SessionContext } from './server-context.ts';
import type { ServerOptions } from './server-options.ts';
import { startCollector } from './core/sessions/collector.ts';
import { freeLeftovers } from './core/sessions/leftovers.ts';
import { LiveSessions } from './core/sessions/live-sessions.ts';
import { createStagingRoom, type StagingRoom } from './core/sessions/staging-room.ts';

/** Memory for compressed chunks of all pulls together; where it is used up, chunks go as they are. */
const ENCODING_MEMORY_BYTES = 64 * 1024 * 1024;

/**
 * Makes the context of a server; its collector runs from then on.
 *
 * @param life what has become of the server, for whoever acts in its name
 * @param openConnections counts the connections of its port, which is not open yet
 */
export function createContext(
  options: ServerOptions,
  life: { readonly isKilled: boolean; readonly isDraining: boolean },
  openConnections: () => Promise<number>,
): ServerContext {
  const { authenticators, login, version, log, places = [], lastSeen = NEVER_SEEN } = options;
  const { now, clocks = now === undefined ? SYSTEM_CLOCKS : { wall: now, elapsed: now } } = options;
  const clock = createSteadyClock(clocks, lastSeen.atMs);
  const { content, sessions } = storesOf(options);
  const readiness = createReadiness(places, () => life.isDraining, { log, now: clock.now });
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const room = createStagingRoom(content, limits);
  const exposed = options.metrics?.(metricsSources(options, { openConnections, room, readiness }));
  const { store, tally } = tallied(
    mortal(sessions, () => life.isKilled),
    clock.now,
  );
  const shared: SessionContext = {
    content,
    sessions: store,
    log,
    hidePaths: hidingPaths(options.ownDirectories ?? []),
    now: clock.now,
    clock,
    lastSeen,
    wallNow: clocks.wall,
    metrics: exposed ?? NO_METRICS,
    leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
    maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
    sync: options.sync ?? DEFAULT_SYNC_MODE,
    groupCommit: options.groupCommit ?? DEFAULT_GROUP_COMMIT,
    usage: { tally, ledger: options.usage ?? createUsageLedger() },
    limits,
    encodingMemory: createByteBudget(ENCODING_MEMORY_BYTES),
    room,
    leftovers: freeLeftovers(content, store, log),
    sessionKey: options.sessionKey ?? randomBytes(32),
    instanceId: randomBytes(12).toString('base64url'),
  };
  const live = new LiveSessions(shared);
  // Whoever may ask for a grant is known only here.
  options.grants?.askAboutIssuers(authenticators);
  return {
    ...shared,
    authenticators,
    grants: options.grants,
    login,
    localKey: options.localKey,
    answering: new Answering(),
    addressOf: addressReader(options.trustedProxies ?? []),
    version,
    live,
    ...createRefusalLog(shared),
    failedAuthentications: countFailedAuthentications(limits),
    collector: startCollector(shared, live),
    readiness,
    exposed,
  };
}

function metricsSources(
  { sessions }: ServerOptions,
  parts: {
    readonly openConnections: () => Promise<number>;
    readonly room: StagingRoom;
    readonly readiness: Readiness;
  },
): MetricsSources {
  return {
    sessionsByState: createSessionCounts(sessions),
    openConnections: parts.openConnections,
    stagedBytes: () => parts.room.bytes,
    freeBytes: () => parts.readiness.freeBytesByPlace(),
  };
}

/** Other processes would know nothing of pulls that lie in the memory of this one. */
function storesOf(options: ServerOptions): Pick<ServerOptions, 'content' | 'sessions'> {
  return options.sessions.properties.shared ? options : withTransientPulls(options);
}

function createRefusalLog({ log, metrics }: SessionContext): Pick<ServerContext, 'refusals' | 'limitedLog'> {
  const limitedLog = createLimitedLog(log);
  return { limitedLog, refusals: createRefusals(limitedLog, (limit) => metrics.refusedByLimit(limit)) };
}

/** A store that a killed server can no longer write to: what still runs in its name changes no record. */
function mortal(store: SessionStore, isKilled: () => boolean): SessionStore {
  const alive = (): void => {
    if (isKilled()) throw new CairnError('server-busy', 'the server was killed');
  };
  return {
    properties: store.properties,
    create: async (record) => {
      alive();
      await store.create(record);
    },
    get: (id) => store.get(id),
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
