/** Starts a server over two stores, and ends it: in order, or at once. */
import { randomBytes } from 'node:crypto';
import { canonicalAddress, isInRanges, type AddressRange } from '../base/address-range.ts';
import { CairnError } from '../base/errors.ts';
import type { LoginOffer } from '../protocol/messages.ts';
import { DEFAULT_SYNC_MODE, type SyncMode } from '../protocol/sync-mode.ts';
import { DEFAULT_LEASE_MS, DEFAULT_MAX_AGE_MS } from '../session/record.ts';
import type { ContentStore } from '../storage/content-store.ts';
import { DEFAULT_GROUP_COMMIT, type GroupLimits } from '../storage/group-commit.ts';
import type { SessionStore } from '../storage/session-store.ts';
import type { Authenticator } from './auth/authorization.ts';
import type { Grants } from './auth/grants.ts';
import { countFailedAuthentications } from './auth/failed-authentications.ts';
import { watchAuthorizations } from './auth/watch.ts';
import { createSteadyClock, SYSTEM_CLOCKS, type ClockSources } from './clock.ts';
import { startCollector } from './sessions/collector.ts';
import { createStagingRoom } from './sessions/staging-room.ts';
import { createRefusals } from './refusals.ts';
import { resumeCommits } from './resources/commit.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './limits.ts';
import { addressReader } from './http/client-address.ts';
import { tallied } from './quota/tallied-store.ts';
import { createUsageLedger, type UsageLedger } from './quota/usage-ledger.ts';
import { createHttpServer, listen, urlOf, type AnyServer, type RequestListener } from './http/listen.ts';
import { NO_METRICS, type OpenMetrics } from './metrics.ts';
import { openOperationsPort, type OperationsPort } from './operations/operations-port.ts';
import { createReadiness, type StoragePlace } from './operations/readiness.ts';
import { createSessionCounts } from './operations/session-counts.ts';
import { LiveSessions } from './sessions/live-sessions.ts';
import { serveRequest } from './http/serve-request.ts';
import type { Logger, ServerContext, SessionContext } from './server-context.ts';
import type { KeptTls } from './tls/kept-tls.ts';

/** What a server is made of. It borrows the stores: whoever opened them closes them after it. */
export interface ServerOptions {
  readonly content: ContentStore;
  readonly sessions: SessionStore;
  /** Asked in this order who may do what. */
  readonly authenticators: readonly Authenticator[];
  /** Where a client gets access tokens; told to anyone. */
  readonly login?: LoginOffer | undefined;
  /** Where to listen; port 0 takes any that is free. */
  readonly listen: { readonly host: string; readonly port: number };
  /** Speaks TLS with this, and nothing else; plain HTTP, where undefined. Borrowed like the stores. */
  readonly tls?: KeptTls | undefined;
  /** Reverse proxies whose word on the addresses of clients is taken. */
  readonly trustedProxies?: readonly AddressRange[];
  readonly version: string;
  readonly log: Logger;
  /** The clock, in milliseconds since 1970; it does not jump. */
  readonly now?: () => number;
  /** The clocks of the system, of which one may jump; not used where there is a `now`. */
  readonly clocks?: ClockSources;
  /** How long a session is kept that nobody touches, in milliseconds. */
  readonly leaseMs?: number;
  /** How long a session may take in all, in milliseconds. */
  readonly maxAgeMs?: number;
  /** When sync points of pushes come; a client may wish for a stricter mode. */
  readonly sync?: SyncMode;
  /** How much a sync point covers at most, where it comes by itself. */
  readonly groupCommit?: GroupLimits;
  readonly limits?: Partial<ServerLimits>;
  /** Where is counted what tokens with a quota publish; in memory, where it is missing. */
  readonly usage?: UsageLedger;
  /** Transfer grants, which are among the authenticators, too. */
  readonly grants?: Grants;
  /** The directories that it writes to: what `readyz` looks at. */
  readonly places?: readonly StoragePlace[];
  /** Counts what happens; without it nothing is counted, and there is no page of metrics. */
  readonly metrics?: OpenMetrics;
  /** Where to answer about the server's health without a token; nowhere unless given. */
  readonly metricsListen?: { readonly host: string; readonly port: number };
}

/** A server that listens. */
export interface RunningServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Where it answers about its health without a token, without a slash at its end. */
  readonly metricsUrl: string | undefined;
  /**
   * Ends in order: takes no more connections, lets requests in flight end for at most `graceMs` (10 s), makes a sync
   * point of every open session and suspends it.
   */
  drain(options?: { graceMs?: number }): Promise<void>;
  /** Ends at once and forgets everything, as a killed process would; for tests. */
  kill(): Promise<void>;
}

const DEFAULT_GRACE_MS = 10_000;

/**
 * Starts a server.
 *
 * @throws CairnError `address-in-use`, `address-unavailable`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const life = { isDraining: false, isKilled: false };
  const active = new Set<Promise<void>>();
  // The context comes first, and asks for this only when somebody asks it.
  let connections = async (): Promise<number> => 0;
  const context = createContext(options, life, () => connections());
  const isTrustedProxy = (address: string): boolean =>
    isInRanges(canonicalAddress(address) ?? '', options.trustedProxies ?? []);
  const listener: RequestListener = (request, response, awaitsContinue): void => {
    const { isDraining } = life;
    const serving = serveRequest(context, request, response, { awaitsContinue, isDraining });
    active.add(serving);
    void serving.finally(() => active.delete(serving));
  };
  const server = createHttpServer(listener, { ...context, isTrustedProxy }, options.tls);
  connections = () => countConnections(server);
  const { port, operations } = await openPorts(context, server, options).catch(async (error: unknown) => {
    await context.collector.stop();
    context.exposed?.close();
    throw error;
  });
  const beginning = begin(context, () => life.isDraining);
  const watch = watchAuthorizations(context);
  return {
    url: urlOf(options.tls === undefined ? 'http' : 'https', options.listen.host, port),
    port,
    metricsUrl: operations?.url,
    drain: async ({ graceMs = DEFAULT_GRACE_MS } = {}) => {
      life.isDraining = true;
      const closed = stopListening(server);
      await settle(active, graceMs);
      server.closeAllConnections();
      await settle(active, graceMs);
      await watch.stop();
      await context.collector.stop();
      await beginning;
      await context.live.suspendAll();
      await closed;
      await operations?.close();
      context.exposed?.close();
    },
    kill: async () => {
      life.isDraining = true;
      life.isKilled = true;
      const closed = stopListening(server);
      server.closeAllConnections();
      await settle(active, DEFAULT_GRACE_MS);
      await watch.stop();
      await context.collector.stop();
      await context.live.forgetAll();
      await closed;
      await operations?.close();
      context.exposed?.close();
    },
  };
}

/** Listens where the options say. The second port first: whoever is told of the first one may use both. */
async function openPorts(
  context: ServerContext,
  server: AnyServer,
  options: ServerOptions,
): Promise<{ port: number; operations: OperationsPort | undefined }> {
  const { metricsListen } = options;
  const operations =
    metricsListen === undefined ? undefined : await openOperationsPort(context, metricsListen);
  try {
    return { port: await listen(server, options.listen), operations };
  } catch (error) {
    await operations?.close();
    throw error;
  }
}

function createContext(
  options: ServerOptions,
  life: { readonly isKilled: boolean; readonly isDraining: boolean },
  openConnections: () => Promise<number>,
): ServerContext {
  const { content, authenticators, login, version, log, places = [] } = options;
  const { now, clocks = now === undefined ? SYSTEM_CLOCKS : { wall: now, elapsed: now } } = options;
  const clock = createSteadyClock(clocks);
  const readiness = createReadiness(places, () => life.isDraining, { log, now: clock.now });
  const exposed = options.metrics?.({
    sessionsByState: createSessionCounts(options.sessions),
    openConnections,
    freeBytes: () => readiness.freeBytesByPlace(),
  });
  const { store, tally } = tallied(
    mortal(options.sessions, () => life.isKilled),
    clock.now,
  );
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const shared: SessionContext = {
    content,
    sessions: store,
    log,
    now: clock.now,
    clock,
    wallNow: clocks.wall,
    metrics: exposed ?? NO_METRICS,
    leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
    maxAgeMs: options.maxAgeMs ?? DEFAULT_MAX_AGE_MS,
    sync: options.sync ?? DEFAULT_SYNC_MODE,
    groupCommit: options.groupCommit ?? DEFAULT_GROUP_COMMIT,
    usage: { tally, ledger: options.usage ?? createUsageLedger() },
    limits,
    room: createStagingRoom(content, limits),
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
    addressOf: addressReader(options.trustedProxies ?? []),
    version,
    live,
    refusals: createRefusals(log, (limit) => shared.metrics.refusedByLimit(limit)),
    failedAuthentications: countFailedAuthentications(limits),
    collector: startCollector(shared, live),
    readiness,
    exposed,
  };
}

function countConnections(server: AnyServer): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}

/**
 * What a server does by itself once it listens: free what nobody needs, and finish what was interrupted; resolves when
 * the latter is over.
 */
function begin(context: ServerContext, isStopping: () => boolean): Promise<void> {
  void context.collector.collect();
  return resumeCommits(context, context.live, isStopping).catch((error: unknown) =>
    context.log.error({ err: error }, 'resuming interrupted commits failed'),
  );
}

function stopListening(server: AnyServer): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

async function settle(active: ReadonlySet<Promise<void>>, graceMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, graceMs);
  });
  await Promise.race([Promise.all(active), enough]);
  clearTimeout(timer);
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
