/** The listening socket, its time limits, and what does not even become a request. */
import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { problemOf, PROBLEM_TYPE } from '../../protocol/problem.ts';
import type { KeptTls } from '../tls/kept-tls.ts';
import { createHttpsServer, watchPlainSockets } from './listen-tls.ts';
import type { ServerLimits } from '../limits.ts';
import type { LimitName } from '../refusals.ts';
import { limitConnections, type ConnectionLimits, type Refuse } from './connection-limits.ts';

/** Takes a request; `awaitsContinue` when its client waits for permission to send the body. */
export type RequestListener = (
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
) => void;

/** How often connections are looked at whose headers are late: a fraction of the time that they have. */
const LOOKS_AT_HEADERS = 4;

/** Node's own names for the limits that it keeps. */
function nodeLimits({ headersMs, keepAliveMs, maxHeaderBytes }: ServerLimits): object {
  return {
    // A whole request may take as long as it takes; what does not move at all is ended by its reader.
    requestTimeout: 0,
    headersTimeout: headersMs,
    connectionsCheckingInterval: Math.ceil(headersMs / LOOKS_AT_HEADERS),
    keepAliveTimeout: keepAliveMs,
    maxHeaderSize: maxHeaderBytes,
    // Checked with an answer of our own.
    requireHostHeader: false,
  };
}

/** Below the frame of requests both are alike. */
export type AnyServer = Server | SecureServer;

/** Makes the HTTP server, or with `tls` the HTTPS server, not listening yet. */
export function createHttpServer(
  listener: RequestListener,
  context: ConnectionLimits,
  tls?: KeptTls,
): AnyServer {
  const answer = (request: IncomingMessage, response: ServerResponse): void =>
    listener(request, response, false);
  const limits = nodeLimits(context.limits);
  if (tls === undefined) {
    const below = { plainSocketOf: () => undefined, refuse: refuseConnection };
    return prepare(createServer(limits, answer), listener, context, below);
  }
  const server = createHttpsServer(limits, tls, answer);
  // Nobody could read an answer that is not encrypted.
  return prepare(server, listener, context, { plainSocketOf: watchPlainSockets(server), refuse: undefined });
}

/** What HTTP and HTTPS have not in common. */
interface Below {
  readonly plainSocketOf: (socket: Duplex) => Duplex | undefined;
  readonly refuse: Refuse | undefined;
}

function prepare<Kind extends AnyServer>(
  server: Kind,
  listener: RequestListener,
  context: ConnectionLimits,
  { plainSocketOf, refuse }: Below,
): Kind {
  const { limits, refusals } = context;
  // Node drops what is beyond: one more than is allowed shows that there was too much.
  server.maxHeadersCount = limits.maxHeaders + 1;
  limitConnections(server, context, refuse);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    listener(request, response, true);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuseSocket(socket, new CairnError('method-not-allowed', 'this server is no proxy'), 405);
  });
  server.on('clientError', (error: Error, socket: Duplex) => {
    const system = systemCodeOf(error);
    const plain = system === 'ERR_SSL_HTTP_REQUEST' ? plainSocketOf(socket) : undefined;
    if (plain?.writable === true) {
      refusePlain(plain, socket);
      return;
    }
    if (system === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const { limit, status, told } = brokenRequest(system);
    if (limit !== undefined) refusals.note(limit);
    refuseSocket(socket, told, status);
  });
  return server;
}

/** Answers plain HTTP on a port of TLS, as RFC 2817 has it; nothing that was sent is looked at. */
function refusePlain(plain: Duplex, secure: Duplex): void {
  const error = new CairnError('invalid-request', 'this port speaks TLS: write https:// instead of http://');
  plain.once('close', () => secure.destroy());
  refuseSocket(plain, error, 426, ['Upgrade: TLS/1.2, HTTP/1.1']);
}

function refuseConnection(socket: Duplex, error: CairnError): void {
  refuseSocket(socket, error, 503);
}

/** What did not become a request, and what its sender is told. */
function brokenRequest(system: string | undefined): {
  limit?: LimitName;
  status: number;
  told: CairnError;
} {
  if (system === 'HPE_HEADER_OVERFLOW') {
    const told = new CairnError('invalid-request', 'the headers of the request are too long');
    return { limit: 'header-size', status: 431, told };
  }
  if (system === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const told = new CairnError('timeout', 'the headers of the request took too long');
    return { limit: 'headers-time', status: 408, told };
  }
  return { status: 400, told: new CairnError('invalid-request', 'this is no HTTP request') };
}

/** Answers on a bare socket and closes it. */
export function refuseSocket(
  socket: Duplex,
  error: CairnError,
  status: number,
  headers: readonly string[] = [],
): void {
  socket.on('error', () => undefined); // nobody is left to be told
  const body = JSON.stringify({ ...problemOf(error), status });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
      ...headers,
      ...(status === 503 ? ['Retry-After: 1'] : []),
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
    () => socket.destroy(),
  );
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
    const message = `port ${port} of ${host} is taken: stop what listens there, or choose another one with --listen`;
    return new CairnError('address-in-use', message, { cause: error, details });
  }
  const hint = system === 'EACCES' ? 'ports below 1024 are for root' : 'is this an address of this machine?';
  const message = `cannot listen at ${host}, port ${port} (${system}): ${hint}`;
  return new CairnError('address-unavailable', message, { cause: error, details });
}

/** The URL at which a server is reached, without a slash at its end. */
export function urlOf(scheme: 'http' | 'https', host: string, port: number): string {
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
