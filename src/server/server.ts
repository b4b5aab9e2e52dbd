/** Starts a server over two stores, and ends it: in order, or at once. */
import { canonicalAddress, isInRanges } from '../base/address-range.ts';
import { watchAuthorizations } from './auth/watch.ts';
import { createContext } from './create-context.ts';
import { createHttpServer, listen, urlOf, type AnyServer, type RequestListener } from './http/listen.ts';
import { serveRequest } from './http/serve-request.ts';
import { openOperationsPort, type OperationsPort } from './operations/operations-port.ts';
import { resumeCommits } from './resources/commit.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerOptions } from './server-options.ts';

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
