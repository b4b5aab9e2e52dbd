/** The listening socket, its time limits, and what does not even become a request. */
import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { problemOf, PROBLEM_TYPE } from '../../protocol/problem.ts';

/** Takes a request; `awaitsContinue` when its client waits for permission to send the body. */
export type RequestListener = (
  request: IncomingMessage,
  response: ServerResponse,
  awaitsContinue: boolean,
) => void;

const LIMITS = {
  // A whole request may take as long as it takes; what does not move at all is ended by its reader.
  requestTimeout: 0,
  headersTimeout: 30_000,
  keepAliveTimeout: 75_000,
  maxHeaderSize: 16 * 1024,
  // Checked with an answer of our own.
  requireHostHeader: false,
};

/** Makes the HTTP server, not listening yet. */
export function createHttpServer(listener: RequestListener): Server {
  const server = createServer(LIMITS, (request, response) => listener(request, response, false));
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    listener(request, response, true);
  });
  server.on('connect', (_request: IncomingMessage, socket: Duplex) => {
    refuseSocket(socket, new CairnError('method-not-allowed', 'this server is no proxy'), 405);
  });
  server.on('clientError', (error: Error, socket: Duplex) => {
    const system = systemCodeOf(error);
    if (system === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const isTooLong = system === 'HPE_HEADER_OVERFLOW';
    const what = isTooLong ? 'the headers of the request are too long' : 'this is no HTTP request';
    refuseSocket(socket, new CairnError('invalid-request', what), isTooLong ? 431 : 400);
  });
  return server;
}

/** Answers on a bare socket and closes it. */
function refuseSocket(socket: Duplex, error: CairnError, status: number): void {
  socket.on('error', () => undefined); // nobody is left to be told
  const body = JSON.stringify({ ...problemOf(error), status });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      `Content-Type: ${PROBLEM_TYPE}`,
      `Content-Length: ${Buffer.byteLength(body)}`,
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
export function listen(server: Server, { host, port }: { host: string; port: number }): Promise<number> {
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
export function urlOf(host: string, port: number): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
