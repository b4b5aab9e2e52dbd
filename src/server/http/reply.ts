/** Answers: JSON, problem documents, and streams that wait for the client. */
import { CairnError, storageError } from '../../base/errors.ts';
import { watchReader } from '../../base/unsent.ts';
import { problemOf, PROBLEM_TYPE } from '../../wire/problem.ts';
import { HEADER } from '../../wire/routes.ts';
import { discreetError, type HidePaths } from '../core/own-paths.ts';
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
  // The Content-Length of a 304 would stand for that of the file.
  const length: Record<string, string> = status === 304 ? {} : { 'Content-Length': '0' };
  exchange.response.writeHead(status, { ...length, ...headers });
  return end(exchange);
}

/**
 * Answers with the problem document of an error. Cuts an answer off that has begun: nothing else tells the client that
 * it is not whole.
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
  // An answer to HEAD has no body that could name the code.
  response.setHeader(HEADER.error, code);
  if (code === 'unauthenticated') response.setHeader('WWW-Authenticate', 'Bearer');
  if (code === 'server-busy' || code === 'rate-limited') response.setHeader('Retry-After', retryAfter(error));
  if (code === 'method-not-allowed' && typeof details['allow'] === 'string') {
    response.setHeader('Allow', details['allow']);
  }
  // The announced body may or may not follow: the next bytes of this connection would be ambiguous.
  if (exchange.awaitsContinue) response.setHeader('Connection', 'close');
  const problem = problemOf(error);
  return sendText(exchange, problem.status, PROBLEM_TYPE, JSON.stringify(problem));
}

/** Whole seconds, rounded up, at least 1. */
function retryAfter({ details }: CairnError): string {
  const { retryAfterMs } = details;
  return String(typeof retryAfterMs === 'number' ? Math.max(1, Math.ceil(retryAfterMs / 1000)) : 1);
}

/**
 * Turns what a handler threw into an error for the client. The text of an unforeseen failure, which may contain
 * anything, stays in the log.
 */
export function tellableError(error: unknown, hide: HidePaths): CairnError {
  const known = storageError(error, 'serving the request');
  const isForeseen = known.code !== 'internal' || (known === error && known.cause === undefined);
  if (isForeseen) return discreetError(known, hide);
  return new CairnError('internal', 'the server failed; its log says why', { cause: error });
}

/** Answers with a text of a media type. */
export function sendText(exchange: Exchange, status: number, type: string, text: string): Promise<void> {
  const body = Buffer.from(text);
  exchange.response.writeHead(status, { 'Content-Type': type, 'Content-Length': body.byteLength });
  return end(exchange, body);
}

/** Ends an answer and waits until the client has taken it; cuts off a client that reads nothing, or too slowly. */
export function end(exchange: Exchange, body?: Uint8Array): Promise<void> {
  const { request, response, pace } = exchange;
  return new Promise((resolve) => {
    if (response.destroyed || response.closed) {
      resolve();
      return;
    }
    request.socket.setTimeout(pace.idleMs);
    const unwatch = watchReader(request.socket, pace, () => tooSlow(exchange));
    const done = (): void => {
      unwatch();
      resolve();
    };
    response.once('finish', done).once('close', done);
    if (body === undefined) response.end();
    else response.end(body);
  });
}

/** The end of the connection ends every wait for the answer; the failure is for the log. */
function tooSlow(exchange: Exchange): void {
  const { minRate, overMs } = exchange.pace;
  const message = `the answer was read slower than ${minRate} bytes a second for ${overMs} ms`;
  exchange.failure ??= new CairnError('timeout', message, { details: { limit: 'body-rate' } });
  exchange.request.socket.destroy();
}

/**
 * Writes a part of an answer and resolves when the bytes have left this process: only then may the caller reuse their
 * memory.
 *
 * @throws CairnError `network` when the client is gone or takes nothing for the idle time; `timeout` for a slow client
 */
export function write(exchange: Exchange, bytes: Uint8Array | string): Promise<void> {
  const { request, response, pace } = exchange;
  const { socket } = request;
  return new Promise((resolve, reject) => {
    let unwatch = (): void => undefined;
    const lost = (): void => {
      unwatch();
      reject(exchange.failure ?? new CairnError('network', 'the client closed the connection'));
    };
    if (response.destroyed || response.closed) {
      lost();
      return;
    }
    // Node resets this timeout for each part that a slow client takes; a client that takes nothing is cut off.
    socket.setTimeout(pace.idleMs);
    unwatch = watchReader(socket, pace, () => tooSlow(exchange));
    response.once('close', lost);
    response.write(bytes, (error) => {
      unwatch();
      socket.setTimeout(0);
      response.off('close', lost);
      if (error === undefined || error === null) resolve();
      else lost();
    });
  });
}
