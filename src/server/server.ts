/** Starts a server over two stores, and ends it: in order, or at once. */
import type { AddressInfo } from 'node:net';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { masked } from '../base/masked.ts';
import { canonicalAddress, isInRanges } from '../base/address-range.ts';
import { watchAuthorizations } from './access-watch.ts';
import { createContext } from './create-context.ts';
import {
  createHttpServer,
  listen,
  urlOf,
  type AnyServer,
  type HttpServer,
  type RequestListener,
} from './http/listen.ts';
import { createChannels } from './http/channels.ts';
import { tellableError } from './http/reply.ts';
import { createGate } from './http/gate.ts';
import { serveRequest, type Arrival } from './front-ends/serve-request.ts';
import { openOperationsPort, type OperationsPort } from './operations/operations-port.ts';
import { resumeCommits } from './front-ends/native/commit.ts';
import type { ServerContext } from './server-context.ts';
import type { ServerOptions } from './server-options.ts';
import { drain, GRACE_MS, kill, type Parts } from './shutdown.ts';

/** A server that listens. */
export interface RunningServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Where it answers about its health without a token, without a slash at its end. */
  readonly metricsUrl: string | undefined;
  /**
   * Ends in order: takes no more connections, lets requests in flight end for at most `graceMs` (4 s), makes a sync
   * point of every open session and suspends it. What has not ended 3.5 s after that is left as it is, as a crash would
   * leave it, for whoever starts the next server: supervisors kill what takes 10 s.
   */
  drain(options?: { graceMs?: number }): Promise<void>;
  /** Ends at once and forgets everything, as a killed process would; for tests. */
  kill(): Promise<void>;
}

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
        logBug(context, error);
      })
      .finally(() => active.delete(serving));
  };
  const gate = createGate();
  const isReady = new Promise<void>((resolve) => gate.pass(resolve));
  const onRequest: RequestListener = (request, response, awaitsContinue): void =>
    gate.pass(() => void serve(request, response, { awaitsContinue }));
  const channels = createChannels(context.limits, {
    serve: async (request, response, body) => {
      await isReady;
      await serve(request, response, { awaitsContinue: false, body });
    },
    onSpoiled: (request, error) => {
      const { code, message } = tellableError(error, context.hidePaths);
      const address = context.addressOf(request);
      const of = { level: 'warn', kind: `channel ${code}`, address } as const;
      context.limitedLog.note(of, { address, code, reason: masked(message) }, 'channel ended');
    },
  });
  const listeners = {
    onRequest,
    onUpgrade: channels.open,
    wantsUpgrade: channels.wants,
    idleOf: channels.idle,
  };
  const http = createHttpServer(listeners, { ...context, isTrustedProxy }, options.tls);
  connections = () => countConnections(http.server);
  const { port, operations } = await openPorts(context, http.server, options).catch(
    async (error: unknown) => {
      await giveUp(context, http);
      throw error;
    },
  );
  gate.open();
  const beginning = begin(context, () => life.isDraining);
  const watch = watchAuthorizations(context);
  const parts: Parts = { context, http, channels, operations, life, active, beginning, watch };
  return {
    url: urlOf(options.tls === undefined ? 'http' : 'https', options.listen.host, port),
    port,
    metricsUrl: operations?.url,
    drain: ({ graceMs = GRACE_MS } = {}) => drain(parts, graceMs),
    kill: () => kill(parts),
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
    const port = await listen(server, options.listen);
    await options.onListening?.({ address: addressOf(server), port });
    return { port, operations };
  } catch (error) {
    server.close();
    await operations?.close();
    throw error;
  }
}

function logBug({ limitedLog }: ServerContext, error: unknown): void {
  const message = 'this is a bug in cairn: answering failed, and its connection was ended';
  limitedLog.note({ level: 'error', kind: 'bug' }, { err: error }, message);
}

/** Ends what has begun of a server that cannot start; a client that came meanwhile waits at the gate. */
async function giveUp(context: ServerContext, { connections }: HttpServer): Promise<void> {
  connections.destroy();
  context.limitedLog.close();
  await context.collector.stop();
  context.exposed?.close();
}

function addressOf(server: AnyServer): string {
  return (server.address() as AddressInfo).address;
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
