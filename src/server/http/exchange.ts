/** One request and its answer, in the form that every handler gets. */
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
  /** Path from the request line, without the query. */
  readonly path: string;
  readonly query: string;
  /** Network address of the client, in canonical form; a trusted proxy may have named it. */
  readonly address: string;
  /** How slow a body or an answer may be. */
  readonly pace: Pace;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  awaitsContinue: boolean;
  body: BodyReader | undefined;
  /** Set when the request has to fail, at any point of its work. */
  failure: CairnError | undefined;
}

/** How much of an unwanted body is read. */
export interface DrainLimit {
  readonly maxBytes: number;
  readonly maxMs: number;
}

/** More components than any accepted path has; the Link header out of them would only be long. */
const MAX_LINK_DEPTH = 2100;
/** An unwanted body is read so far, so that its sender can read the answer. */
const DRAIN: DrainLimit = { maxBytes: 16 * 1024 * 1024, maxMs: 5000 };

/** Begins an exchange: sets the headers that every answer carries. */
export function openExchange(
  request: IncomingMessage,
  response: ServerResponse,
  options: { pace: Pace; awaitsContinue: boolean; address: string; body?: BodyReader | undefined },
): Exchange {
  const target = request.url ?? '';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  // The reads and writes report a broken connection; without a listener the event would end the process.
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
 * Refuses what the parser accepts but proxies read in different ways (RFC 9112, sections 3.2 and 3.2.2), and targets
 * and headers beyond their limits.
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
  // HTTP/1.0 has no Host header: load balancers ask about health so.
  const isOld = request.httpVersionMajor === 1 && request.httpVersionMinor === 0;
  if (hosts !== 1 && !(isOld && hosts === 0))
    throw new CairnError('invalid-request', `a request needs one Host header, this has ${hosts}`);
  if (!path.startsWith('/')) {
    throw new CairnError('invalid-request', 'the target of a request is a path that begins with "/"');
  }
}

/** Starts to read the body; sends `100 Continue` to a client that waits for that. Throws what ended the exchange. */
export function openBody(exchange: Exchange): BodyReader {
  if (exchange.failure !== undefined) throw exchange.failure;
  if (exchange.awaitsContinue) {
    exchange.awaitsContinue = false;
    exchange.response.writeContinue();
  }
  exchange.body ??= new BodyReader(incomingBody(exchange.request), exchange.pace);
  return exchange.body;
}

/** The `Content-Length`, in bytes; undefined where the header is missing. Throws `invalid-request`. */
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
 * Reads on for a moment what the client still sends of a refused body, before or after the answer, so that the
 * connection neither hangs nor is reset before the client has read the answer. Cuts off a client that sends more than
 * the limit. Resolves at the end of the body or of the connection.
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
