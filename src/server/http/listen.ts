/** The listening socket, its time limits, and how the events of Node's server become requests. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import type { KeptTls } from '../access/kept-tls.ts';
import { answerBroken } from './broken-request.ts';
import { createHttpsServer, watchSockets } from './listen-tls.ts';
import type { HttpLimits } from './http-limits.ts';
import type { LimitedLog } from './log-limiter.ts';
import { limitConnections, type ConnectionLimits, type Connections, type Idle } from './connection-limits.ts';
import { ordinaryRequest } from './ordinary-request.ts';
import { refuseSocket } from './refuse-socket.ts';
import { readShared } from './shared-reads.ts';
import { takeTurns, type Turns } from './turns.ts';

/** Takes a request; `awaitsContinue` when its client waits for `100 Continue` before it sends the body. */
export type RequestListener = (
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
) => void;

/** The callbacks for requests and upgrades. */
export interface Listeners {
  readonly onRequest: RequestListener;
  /**
   * Takes over a connection that its client wants to upgrade, with the bytes that followed its request. False for a
   * request to be served without the upgrade (RFC 9110, section 7.8); so is every one where this callback is missing.
   */
  readonly onUpgrade?: (request: IncomingMessage, socket: Duplex, early: Uint8Array) => boolean;
  /** Whether `onUpgrade` would take a request over. Node 24 and later ask before they release a connection. */
  readonly wantsUpgrade?: (request: IncomingMessage) => boolean;
  /** Since when a connection that was taken over has no request; undefined while it has one. */
  readonly idleOf?: (socket: Duplex) => Idle | undefined;
}

/** What a listening socket needs from its server. */
export interface ListenContext extends ConnectionLimits {
  readonly limitedLog: LimitedLog;
}

/** Node looks for late headers so many times within the time that they have. */
const LOOKS_AT_HEADERS = 4;

/** The options of Node's server for the limits that it enforces. */
function nodeOptions(
  { headersMs, keepAliveMs, maxHeaderBytes }: HttpLimits,
  { wantsUpgrade = () => false }: Listeners,
): object {
  return {
    // Unknown to Node 20, where every request that asks for an upgrade comes as one.
    shouldUpgradeCallback: wantsUpgrade,
    // A whole request may take any time; its reader ends a body that does not move.
    requestTimeout: 0,
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.ceil(headersMs / LOOKS_AT_HEADERS),
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: maxHeaderBytes,
    // `checkRequestLine` checks it, with a problem document.
    requireHostHeader: false,
  };
}

/** Node's HTTP or HTTPS server: below the requests both are alike. */
export type AnyServer = Server | SecureServer;

/** A server that does not listen yet, and its connections. */
export interface HttpServer {
  readonly server: AnyServer;
  readonly connections: Connections;
}

/** Makes the HTTP server, or with `tls` the HTTPS server. */
export function createHttpServer(listeners: Listeners, context: ListenContext, tls?: KeptTls): HttpServer {
  const options = nodeOptions(context.limits, listeners);
  const leastIdleMs = context.limits.leastIdleMs.connection;
  const how = { leastIdleMs, onFault: (error: unknown) => logBug(context, error) };
  const idleOf = (turns: Turns) => (socket: Duplex) => turns.idle(socket) ?? listeners.idleOf?.(socket);
  if (tls === undefined) {
    const server = createServer(options);
    const turns = takeTurns(server, 'connection', how);
    const connections = limitConnections(server, context, {
      accept: readShared,
      refuse: (socket, error) => refuseSocket(socket, error, 503),
      speakerOf: (socket) => socket,
      idleOf: idleOf(turns),
    });
    listenFor(server, { turns, listeners, context, plainSocketOf: () => undefined });
    return { server, connections };
  }
  const server = createHttpsServer(options, tls);
  const turns = takeTurns(server, 'secureConnection', how);
  // No `refuse`: a client of TLS cannot read a plain answer.
  const sockets = watchSockets(server);
  const { secureSocketOf: speakerOf, plainSocketOf } = sockets;
  const connections = limitConnections(server, context, { speakerOf, idleOf: idleOf(turns) });
  listenFor(server, { turns, listeners, context, plainSocketOf });
  return { server, connections };
}

interface Answering {
  readonly turns: Turns;
  readonly listeners: Listeners;
  readonly context: ListenContext;
  /** The socket below TLS; undefined once the handshake is over. */
  readonly plainSocketOf: (socket: Duplex) => Duplex | undefined;
}

function listenFor(server: AnyServer, { turns, listeners, context, plainSocketOf }: Answering): void {
  // Node drops the fields beyond: one more than the limit shows that there were too many.
  server.maxHeadersCount = context.limits.maxHeaders + 1;
  const serve = (request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): void => {
    // Node ends such a connection with its answer.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    turns.take(request, response, () =>
      guard(context, request.socket, () => listeners.onRequest(request, response, awaitsContinue)),
    );
  };
  server.on('request', (request, response) => serve(request, response, false));
  server.on('checkContinue', (request, response) => serve(request, response, true));
  // The server ignores an unknown expectation, as RFC 9110 allows (section 10.1.1).
  server.on('checkExpectation', (request, response) => serve(request, response, false));
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    turns.handOver(socket, head, (early) =>
      guard(context, socket, () => {
        if (listeners.onUpgrade?.(request, socket, early) === true) return;
        const ordinary = ordinaryRequest(request, context.limits.maxHeaders);
        if (ordinary !== undefined) turns.adopt(socket, Buffer.concat([ordinary, early]));
        else refuseSocket(socket, tooManyFields(), 431);
      }),
    ),
  );
  server.on('connect', (_request: IncomingMessage, socket: Duplex, head: Buffer) =>
    turns.handOver(socket, head, () => guard(context, socket, () => refuseSocket(socket, noProxy(), 405))),
  );
  server.on('clientError', (error: Error, socket: Duplex) =>
    guard(context, socket, () =>
      answerBroken({ error, socket, plain: plainSocketOf(socket) }, turns, context.refusals),
    ),
  );
}

function tooManyFields(): CairnError {
  return new CairnError('invalid-request', 'the request has too many header fields');
}

function noProxy(): CairnError {
  return new CairnError('method-not-allowed', 'this server is no proxy');
}

/** Runs work for one connection; a fault in it ends that connection, and no other. */
function guard(context: ListenContext, socket: Duplex, work: () => void): void {
  try {
    work();
  } catch (error) {
    socket.destroy();
    logBug(context, error);
  }
}

function logBug({ limitedLog }: ListenContext, error: unknown): void {
  const message = 'this is a bug in cairn: serving a connection failed, and the connection was closed';
  limitedLog.note({ level: 'error', kind: 'bug' }, { err: error }, message);
}

/**
 * Starts to listen; resolves with the port.
 *
 * @throws CairnError `address-in-use`, `address-unavailable`
 */
export function listen(server: AnyServer, { host, port }: { host: string; port: number }): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenError(error, host, port));
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve((server.address() as AddressInfo).port);
    });
  });
}

function listenError(error: Error, host: string, port: number): CairnError {
  const system = systemCodeOf(error) ?? 'an unknown error';
  const details = { host, port };
  if (system === 'EADDRINUSE') {
    const message = `port ${port} of ${host} is taken: stop the process that listens there, or choose another one with --listen`;
    return new CairnError('address-in-use', message, { cause: error, details });
  }
  const hint = system === 'EACCES' ? 'ports below 1024 are for root' : 'is this an address of this machine?';
  const message = `cannot listen at ${host}, port ${port} (${system}): ${hint}`;
  return new CairnError('address-unavailable', message, { cause: error, details });
}

/** The address at which this machine reaches a server that listens on all addresses. */
const LOOPBACK_OF: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };

/** A URL at which a server is reached from its own machine, without a slash at its end. */
export function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  const name = LOOPBACK_OF[host] ?? host;
  return `${scheme}://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
