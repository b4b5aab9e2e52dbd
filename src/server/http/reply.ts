/** Answers: JSON, problem documents, and streams that keep to the pace of the client. */
import { CairnError, storageError } from '../../base/errors.ts';
import { problemOf, PROBLEM_TYPE } from '../../protocol/problem.ts';
import { HEADER } from '../../protocol/routes.ts';
import type { Exchange } from './exchange.ts';

/** Media type of trees and other lists of lines. */
export const NDJSON_TYPE = 'application/x-ndjson';

/** Answers with a JSON document. */
export function sendJson(exchange: Exchange, status: number, value: unknown): Promise<void> {
  return sendText(exchange, status, 'application/json', JSON.stringify(value));
}

/** Answers without a body. */
export function sendEmpty(
  exchange: Exchange,
  status: number,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  // A 304 has no length of its own: it would stand for that of the file.
  const length: Record<string, string> = status === 304 ? {} : { 'Content-Length': '0' };
  exchange.response.writeHead(status, { ...length, ...headers });
  return end(exchange);
}

/**
 * Answers with the problem document of an error. Where an answer has begun, only cutting it off still tells the client
 * that it is not whole.
 */
export function sendProblem(exchange: Exchange, error: CairnError): Promise<void> {
  const { response } = exchange;
  if (response.headersSent) {
    response.destroy();
    return Promise.resolve();
  }
  for (const name of ['Content-Length', 'Content-Range', 'ETag', 'Last-Modified'])
    response.removeHeader(name);
  const { code, details } = error;
  // An answer to HEAD has no body to say it in.
  response.setHeader(HEADER.error, code);
  if (code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  if (code === 'server-busy' || code === 'rate-limited') response.setHeader('Retry-After', '1');
  if (code === 'method-not-allowed' && typeof details['allow'] === 'string') {
    response.setHeader('Allow', details['allow']);
  }
  // The body that was announced will not be asked for: what follows on this connection would be ambiguous.
  if (exchange.awaitsContinue) response.setHeader('Connection', 'close');
  const problem = problemOf(error);
  return sendText(exchange, problem.status, PROBLEM_TYPE, JSON.stringify(problem));
}

/** Whatever a handler threw, as an error that may be told to the client. */
export function tellableError(error: unknown): CairnError {
  const known = storageError(error, 'serving the request');
  if (known.code !== 'internal' || error instanceof CairnError) return known;
  return new CairnError('internal', 'the server failed; its log says why', { cause: error });
}

function sendText(exchange: Exchange, status: number, type: string, text: string): Promise<void> {
  const body = Buffer.from(text);
  exchange.response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.byteLength });
  return end(exchange, body);
}

/** Ends an answer and waits until the client has taken it; one that does not is cut off after the idle time. */
export function end({ request, response, idleMs }: Exchange, body?: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (response.destroyed || response.closed) {
      resolve();
      return;
    }
    request.socket.setTimeout(idleMs);
    response.once('finish', resolve).once('close', resolve);
    if (body === undefined) response.end();
    else response.end(body);
  });
}

/**
 * Writes a part of an answer and resolves when it has left this process: only then may its memory be used again.
 *
 * @throws CairnError `network` when the client is gone, or takes nothing for the idle time
 */
export function write({ request, response, idleMs }: Exchange, bytes: Uint8Array | string): Promise<void> {
  const { socket } = request;
  return new Promise((resolve, reject) => {
    const lost = (): void => reject(new CairnError('network', 'the client is gone'));
    if (response.destroyed || response.closed) {
      lost();
      return;
    }
    // Node sees by itself whether a slow client takes at least a part; one that takes nothing is cut off.
    socket.setTimeout(idleMs);
    response.once('close', lost);
    response.write(bytes, (error) => {
      socket.setTimeout(0);
      response.off('close', lost);
      if (error === undefined || error === null) resolve();
      else lost();
    });
  });
}
