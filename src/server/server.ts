/** Starts a server over two stores, and ends it in order or at once. */
import type { AddressInfo } from 'node:net';
import { watchAuthorizations, type Watch } from './access-watch.ts';
import { checkStands as checkStandsBy, EXPIRY_GRACE_MS } from './access/authenticator.ts';
import { createCore } from './compose-core.ts';
import { createFoundation, openSharedClock } from './compose-foundation.ts';
import { createServing } from './compose-serving.ts';
import type { CheckStands } from './core/sessions/admission.ts';
import { Answering } from './http/answering.ts';
import { createGate } from './http/gate.ts';
import {
  createHttpServer,
  listen,
  urlOf,
  type AnyServer,
  type ListenContext,
  type RequestListener,
} from './http/listen.ts';
import { openOperationsPort, type Answers, type OperationsPort } from './operations/operations-port.ts';
import type { ServerOptions } from './server-options.ts';
import { followSessions } from './session-bell.ts';
import { drain, GRACE_MS, kill, type Parts } from './shutdown.ts';

/** A server that listens. */
export interface RunningServer {
  /** Without a slash at its end. */
  readonly url: string;
  readonly port: number;
  /** Where it answers about its health without a token, without a slash at its end. */
  readonly metricsUrl: string | undefined;
  /** Tells balancers by `readyz` that it is about to end, and goes on serving. */
  announceEnd(): void;
  /**
   * Ends in order: takes no more connections, lets requests in flight end for at most `graceMs` (4 s), makes a sync
   * point of every open session and suspends it. After 3.5 s more it leaves unfinished work as a crash would, for the
   * next server: supervisors kill a process that takes 10 s.
   */
  drain(options?: { graceMs?: number }): Promise<void>;
  /** Ends at once and forgets everything, as a killed process would; for tests. */
  kill(): Promise<void>;
}

interface Life {
  isLeaving: boolean;
  isDraining: boolean;
  isKilled: boolean;
}

/**
 * Starts a server.
 *
 * @throws CairnError `address-in-use`, `address-unavailable`; storage codes where the clock of `state` cannot be read
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const life: Life = { isLeaving: false, isDraining: false, isKilled: false };
  // The foundation comes before the port, and calls this only for the page of metrics.
  const late = { openConnections: async (): Promise<number> => 0, isElected: () => false };
  const foundation = createFoundation(options, life, await openSharedClock(options), late);
  const { log, exposed, wallNow } = foundation;
  const checkStands: CheckStands = (authorization, isLate = false) =>
    checkStandsBy(options.authenticators, authorization, wallNow() - (isLate ? EXPIRY_GRACE_MS : 0));
  // Grants ask the authenticators whether the token that issued them is still valid.
  options.grants?.askAboutIssuers(options.authenticators);
  const core = createCore(options, foundation, checkStands);
  const { live, collector, leftovers } = core;
  late.isElected = collector.isHeld;
  const answering = new Answering();
  const gate = createGate();
  const serving = createServing({
    options,
    foundation,
    core,
    answering,
    isDraining: () => life.isDraining,
    isReady: new Promise((resolve) => gate.pass(resolve)),
  });
  const { channels, active, listening, limitedLog } = serving;
  const close = (): void => {
    limitedLog.close();
    exposed?.close();
  };
  const onRequest: RequestListener = (request, response, awaitsContinue): void =>
    gate.pass(() => void serving.serve(request, response, { awaitsContinue }));
  const listeners = {
    onRequest,
    onUpgrade: channels.open,
    wantsUpgrade: channels.wants,
    idleOf: channels.idle,
  };
  const http = createHttpServer(listeners, listening, options.tls);
  late.openConnections = () => countConnections(http.server);
  const { port, operations } = await openPorts(serving.forOperators, listening, http.server, options).catch(
    async (error: unknown) => {
      // A client that has connected meanwhile waits at the gate.
      http.connections.destroy();
      await collector.stop();
      close();
      throw error;
    },
  );
  gate.open();
  void collector.collect();
  const beginning = core
    .resumeCommits(() => life.isDraining)
    .catch((error: unknown) => log.error({ err: error }, 'resuming interrupted commits failed'));
  const watch = watchOver({ live, answering, checkStands, log }, options.memory);
  const sessions = { live, collector, leftovers };
  const parts: Parts = { sessions, log, http, channels, operations, life, active, beginning, watch, close };
  const scheme = options.tls === undefined ? 'http' : 'https';
  return {
    ...ends(life, parts),
    url: urlOf(scheme, options.listen.host, port),
    port,
    metricsUrl: operations?.url,
  };
}

function ends(life: Life, parts: Parts): Pick<RunningServer, 'announceEnd' | 'drain' | 'kill'> {
  return {
    announceEnd: () => void (life.isLeaving = true),
    drain: ({ graceMs = GRACE_MS } = {}) => drain(parts, graceMs),
    kill: () => kill(parts),
  };
}

function watchOver(
  watched: Parameters<typeof watchAuthorizations>[0],
  memory: ServerOptions['memory'],
): Watch {
  const authorizations = watchAuthorizations(watched);
  const stopFollowing = followSessions({ ...watched, memory });
  return {
    stop: () => {
      stopFollowing();
      return authorizations.stop();
    },
  };
}

/** Listens where the options say, on the operations port first: `onListening` may lead to the use of both. */
async function openPorts(
  answers: Answers,
  listening: ListenContext,
  server: AnyServer,
  options: ServerOptions,
): Promise<{ port: number; operations: OperationsPort | undefined }> {
  const { metricsListen } = options;
  const operations =
    metricsListen === undefined ? undefined : await openOperationsPort(answers, listening, metricsListen);
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
