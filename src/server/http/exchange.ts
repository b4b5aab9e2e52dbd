/** One request and its answer, as every handler gets them. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { BodyReader, type Pace } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { incomingBody } from '../../base/incoming-body.ts';
import { PROTOCOL_SEGMENT, protocolLink } from '../../wire/routes.ts';
import type { HttpLimits } from './http-limits.ts';

/** One request and its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  /** Path as it stands in the request line, without the query. */
  readonly path: string;
  readonly query: string;
  /** Network address that the request came from, in canonical form; a trusted proxy may have said so. */
  readonly address: string;
  /** How slow a body or an answer may be. */
  readonly pace: Pace;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  body: BodyReader | undefined;
  /** Set when the request has to fail, whatever it is doing. */
  failure: CairnError | undefined;
}

/** How much is read of a body that nobody wants. */
export interface DrainLimit {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** More components than any path that is taken; a Link header that leads out of them would only be long. */
const MAX_LINK_DEPTH = 2100;
/** What is read of a body that nobody wants, so that its sender gets to see the answer. */
const DRAIN: DrainLimit = { maxBytes: 16 * 1024 * 1024, maxMs: 5000 };

/** Begins an exchange: the headers that every answer carries are set. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  options: { pace: Pace; awaitsContinue: boolean; address: string; body?: BodyReader | undefined },
): Exchange {
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  // A connection that breaks is told to whoever reads or writes; without a listener it would end the process.
  request.on('error', () => undefined);
  response.on('error', () => undefined);
  if (path.split('/').length < MAX_LINK_DEPTH) response.setHeader('Link', protocolLink(path));
  response.setHeader('X-Content-Type-Options', 'nosniff');
  const isProtocol = path.startsWith(`/${PROTOCOL_SEGMENT}`);
  response.setHeader('Cache-Control', isProtocol ? 'no-store' : 'private, no-cache');
  const { pace, awaitsContinue, address, body } = options;
  const method = request.method ?? '';
  const query = mark < 0 ? '' : target.slice(mark + 1);
  return {
    request,
    response,
    method,
    path,
    query,
    address,
    pace,
    awaitsContinue,
    body,
    failure: undefined,
  };
}

/**
 * Refuses what the parser lets through and proxies read in different ways (RFC 9112, sections 3.2 and 3.2.2), and what
 * is longer than it may be.
 *
 * @throws CairnError `invalid-request`, `path-too-long`
 */
export function checkRequestLine(
  { request, path }: Exchange,
  limits: Pick<HttpLimits, 'maxTargetBytes' | 'maxHeaders'>,
): void {
  const { maxTargetBytes, maxHeaders } = limits;
  if ((request.url ?? '').length > maxTargetBytes) {
    const message = `the target of the request is longer than ${maxTargetBytes} bytes`;
    throw new CairnError('path-too-long', message, { details: { limit: 'request-line' } });
  }
  if (request.rawHeaders.length > 2 * maxHeaders) {
    const message = `the request has more than ${maxHeaders} header fields`;
    throw new CairnError('invalid-request', message, { details: { limit: 'headers' } });
  }
  let hosts = 0;
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    if (request.rawHeaders[index]!.toLowerCase() === 'host') hosts += 1;
  }
  // Before HTTP/1.1 there was none: so load balancers ask about health.
  const isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
  if (hosts !== 1 && !(isOld && hosts === 0))
    throw new CairnError('invalid-request', `a request needs one Host header, this has ${hosts}`);
  if (!path.startsWith('/')) {
    throw new CairnError('invalid-request', 'the target of a request is a path that begins with "/"');
  }
}

/** Starts to read the body; a client that waits for permission gets it now. Throws what ended the exchange. */
export function openBody(exchange: Exchange): BodyReader {
  if (exchange.failure !== undefined) throw exchange.failure;
  if (exchange.awaitsContinue) {
    exchange.awaitsContinue = false;
    exchange.response.writeContinue();
  }
  exchange.body ??= new BodyReader(incomingBody(exchange.request), exchange.pace);
  return exchange.body;
}

/** Length of the body as its header says; undefined where it says none. Throws `invalid-request`. */
export function contentLengthOf({ request }: Exchange): number | undefined {
  const text = request.headers['content-length'];
  if (text === undefined) return undefined;
  const length = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(length)) {
    throw new CairnError('invalid-request', 'the Content-Length is no count of bytes');
  }
  return length;
}

/**
 * After the answer, or before it: reads on for a moment what the client still sends of a refused body, so that the
 * connection is neither left hanging nor reset before the answer was read. Whoever sends more than that is cut off.
 * Resolves when nothing comes any more.
 */
export function drainBody({ request, body }: Exchange, limit: DrainLimit = DRAIN): Promise<void> {
  body?.release();
  if (request.destroyed || request.complete) {
    request.resume();
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    let bytes = 0;
    const cut = (): void => void request.destroy();
    const timer = setTimeout(cut, limit.maxMs).unref();
    const count = (piece: Uint8Array): void => {
      bytes += piece.byteLength;
      if (bytes > limit.maxBytes) cut();
    };
    const over = (): void => {
      clearTimeout(timer);
      request.off('data', count);
      resolve();
    };
    request.on('data', count).once('end', over).once('close', over);
    request.resume();
  });
}
