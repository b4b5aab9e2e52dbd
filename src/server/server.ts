/** Starts a server over two stores, and ends it: in order, or at once. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { atMost } from '../base/at-most.ts';
import { canonicalAddress, isInRanges } from '../base/address-range.ts';
import { watchAuthorizations } from './auth/watch.ts';
import { createContext } from './create-context.ts';
import { createHttpServer, listen, urlOf, type AnyServer, type RequestListener } from './http/listen.ts';
import { createChannels, type Channels } from './http/channels.ts';
import { tellableError } from './http/reply.ts';
import { serveRequest, type Arrival } from './http/serve-request.ts';
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

type Serve = (
  request: IncomingMessage,
  response: ServerResponse,
  how: Omit<Arrival, 'isDraining'>,
) => Promise<void>;

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
  const serve: Serve = (request, response, how) => {
    const { isDraining } = life;
    const serving = serveRequest(context, request, response, { ...how, isDraining });
    active.add(serving);
    return serving
      .catch((error: unknown) => {
        request.socket.destroy();
        context.log.error(
          { err: error },
          'this is a bug in cairn: answering failed, and its connection was ended',
        );
      })
      .finally(() => active.delete(serving));
  };
  const onRequest: RequestListener = (request, response, awaitsContinue): void =>
    void serve(request, response, { awaitsContinue });
  const channels = createChannels(context.limits, {
    serve: (request, response, body) => serve(request, response, { awaitsContinue: false, body }),
    onSpoiled: (request, error) => {
      const { code, message } = tellableError(error, context.hidePaths);
      context.log.warn({ from: context.addressOf(request), code, reason: message }, 'channel ended');
    },
  });
  const listeners = { onRequest, onUpgrade: channels.open };
  const server = createHttpServer(listeners, { ...context, isTrustedProxy }, options.tls);
  connections = () => countConnections(server);
  const { port, operations } = await openPorts(context, server, options).catch(async (error: unknown) => {
    await context.collector.stop();
    context.exposed?.close();
    throw error;
  });
  const beginning = begin(context, () => life.isDraining);
  const watch = watchAuthorizations(context);
  const parts: Parts = { context, server, channels, operations, life, active, beginning, watch };
  return {
    url: urlOf(options.tls === undefined ? 'http' : 'https', options.listen.host, port),
    port,
    metricsUrl: operations?.url,
    drain: ({ graceMs = DEFAULT_GRACE_MS } = {}) => drain(parts, graceMs),
    kill: () => kill(parts),
  };
}

/** What a server consists of while it runs. */
interface Parts {
  readonly context: ServerContext;
  readonly server: AnyServer;
  readonly channels: Channels;
  readonly operations: OperationsPort | undefined;
  readonly life: { isDraining: boolean; isKilled: boolean };
  /** Requests in flight. */
  readonly active: ReadonlySet<Promise<void>>;
  readonly beginning: Promise<void>;
  readonly watch: ReturnType<typeof watchAuthorizations>;
}

async function drain(parts: Parts, graceMs: number): Promise<void> {
  const { context, channels, life, active, beginning } = parts;
  life.isDraining = true;
  const closed = stopListening(parts.server);
  channels.drain();
  await atMost(graceMs, Promise.all(active));
  cutConnections(parts);
  await atMost(graceMs, Promise.all(active));
  await stopWatching(parts);
  await beginning;
  await context.live.suspendAll();
  await closed;
  await closePorts(parts);
}

async function kill(parts: Parts): Promise<void> {
  const { context, life, active } = parts;
  life.isDraining = true;
  life.isKilled = true;
  const closed = stopListening(parts.server);
  cutConnections(parts);
  await atMost(DEFAULT_GRACE_MS, Promise.all(active));
  await stopWatching(parts);
  await context.live.forgetAll();
  await closed;
  await closePorts(parts);
}

function cutConnections({ server, channels }: Parts): void {
  server.closeAllConnections();
  channels.destroy();
}

async function stopWatching({ watch, context }: Parts): Promise<void> {
  await watch.stop();
  context.leftovers.stop();
  await context.collector.stop();
}

async function closePorts({ operations, context }: Parts): Promise<void> {
  await operations?.close();
  context.exposed?.close();
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
