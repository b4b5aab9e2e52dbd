/**
 * HTTP to one origin: the only user of undici, which is loaded with the first connection. It knows requests, responses
 * and failures; nothing of sessions, and it never tries twice.
 */
import type { Duplex } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import type { Pool } from 'undici';
import { CairnError, EXIT } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { errorOfResponse } from '../../protocol/problem.ts';
import { HEADER } from '../../protocol/routes.ts';
import { DEFAULT_ANSWER_PACE, paced, watchAnswer, type AnswerPace, type AnswerWatch } from './answer-pace.ts';
import { networkError } from './connection-error.ts';
import type { PoolOptions } from './connection-pool.ts';
import { proxyWantsCredentials, shownProxy, type Proxy } from './proxy.ts';
import { withRetryAfter } from './retry-after.ts';

/** A body whose length is known before. */
export interface RequestBody {
  readonly type: string;
  readonly lengthBytes: number;
  readonly pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** One request. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** A URL of the connection's origin. */
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Whether the server may work for long and only say now and then that it does. */
  readonly isSlow?: boolean;
  /** Ends the request; its reason is what the request throws. */
  readonly signal?: AbortSignal | undefined;
}

/** A response. Its body must be read, or discarded. */
export interface HttpResponse {
  readonly status: number;
  header(name: string): string | undefined;
  /** The body's bytes. Throws CairnError `network` or `timeout` when it is cut. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The whole body as text. Throws `not-a-cairn-server` for one of more than `maxBytes`. */
  text(maxBytes: number): Promise<string>;
  discard(): Promise<void>;
}

/** Connections to one origin, kept alive between requests. */
export interface Connection {
  readonly origin: string;
  /** How long it last took to open one, in milliseconds; undefined before the first. */
  readonly connectMs: number | undefined;
  /** The response, whatever its status. @throws CairnError `network`, `timeout`, `not-a-cairn-server`, what the body threw */
  exchange(request: HttpRequest): Promise<HttpResponse>;
  /** The response if its status is 2xx. @throws CairnError the one that the response stands for; `redirect-refused` */
  request(request: HttpRequest): Promise<HttpResponse>;
  /** A connection of its own that speaks another protocol from now on. @throws what says that it does not */
  upgrade(path: string, protocol: string, signal: AbortSignal): Promise<Duplex>;
  /** Opens so many connections that will be needed soon. */
  openAhead(count: number): void;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

const MAX_ERROR_BODY_BYTES = 1024 * 1024;

/** What requests of one connection have in common. */
interface Way {
  readonly pool: Pool;
  readonly origin: string;
  /** The origin, and the proxy on the way there, for people. */
  readonly peer: string;
  /** Takes plain HTTP requests in place of the origin (RFC 9110, section 7.1). */
  readonly forwarder: Proxy | undefined;
  readonly pace: AnswerPace;
}

/** How connections are made, and how slow an answer may be. */
export interface ConnectionOptions extends Omit<PoolOptions, 'pace'> {
  readonly pace?: AnswerPace | undefined;
}

/** Opens connections to the origin of `url`; nothing is sent yet. */
export async function openConnection(url: URL, options: ConnectionOptions): Promise<Connection> {
  // A static import there and a lazy one here: a bundled CommonJS package has no named exports for `await import()`.
  const { openPool } = await import('./connection-pool.ts');
  const { pace = DEFAULT_ANSWER_PACE } = options;
  const sockets = openPool(url.origin, { ...options, pace });
  const { pool, openAhead, close } = sockets;
  const { origin } = url;
  const { proxy } = options;
  const peer = proxy === undefined ? origin : `${origin} (through ${shownProxy(proxy)})`;
  const way = { pool, origin, peer, pace, forwarder: url.protocol === 'http:' ? proxy : undefined };
  const exchange = (request: HttpRequest): Promise<HttpResponse> => send(way, request);
  return {
    origin: url.origin,
    get connectMs() {
      return sockets.connectMs;
    },
    exchange,
    request: async (request) => accepted(request, await exchange(request)),
    upgrade: async (path, protocol, signal) => (await pool.upgrade({ path, protocol, signal })).socket,
    openAhead,
    close,
  };
}

async function send(way: Way, request: HttpRequest): Promise<HttpResponse> {
  const { pool, origin, peer, forwarder } = way;
  const { method, url, headers = {}, body, signal } = request;
  if (url.origin !== origin)
    throw new CairnError('internal', `a request to ${url.origin} on a connection to ${origin}`);
  signal?.throwIfAborted();
  const bodyFailure: { error?: unknown } = {};
  const watch = watchAnswer(peer, way.pace, signal);
  if (body === undefined) watch.sent();
  try {
    const response = await pool.request({
      method,
      path: `${forwarder === undefined ? '' : origin}${url.pathname}${url.search}`,
      headers: {
        ...(forwarder === undefined ? {} : headersFor(forwarder, url)),
        'accept-encoding': 'identity',
        ...(body === undefined
          ? {}
          : { 'content-type': body.type, 'content-length': String(body.lengthBytes) }),
        ...headers,
      },
      // undici takes any iterable, which its types do not say.
      body: body === undefined ? null : (watched(body.pieces, bodyFailure, watch) as never),
      signal: watch.signal,
      // undici would close the connection after a HEAD, and the next request pay a round trip for another one.
      reset: false,
    });
    if (forwarder !== undefined && response.statusCode === 407) {
      await response.body.dump();
      throw proxyWantsCredentials(forwarder);
    }
    watch.begun();
    return responseOf(response, way, request, watch);
  } catch (error) {
    watch.done();
    if (signal?.aborted === true) throw signal.reason;
    if ('error' in bodyFailure) throw bodyFailure.error;
    throw networkError(error, peer);
  }
}

/** What a request says to a proxy: the headers of the server's own follow them. */
function headersFor({ authorization }: Proxy, { host }: URL): Record<string, string> {
  return { host, ...(authorization === undefined ? {} : { 'proxy-authorization': authorization }) };
}

/** Remembers what a body threw, which undici would dress as a failure of the network; at its end the answer is due. */
async function* watched(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  failure: { error?: unknown },
  watch: AnswerWatch,
): AsyncGenerator<Uint8Array> {
  try {
    yield* pieces;
    watch.sent();
  } catch (error) {
    failure.error = error;
    throw error;
  }
}

type UndiciResponse = Awaited<ReturnType<Pool['request']>>;

function responseOf(
  response: UndiciResponse,
  { peer, pace }: Way,
  { isSlow, signal }: HttpRequest,
  watch: AnswerWatch,
): HttpResponse {
  const pieces: AsyncIterable<Uint8Array> = response.body;
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      yield* isSlow === true ? pieces : paced(pieces, peer, pace);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw networkError(error, peer);
    } finally {
      watch.done();
    }
  }
  return {
    status: response.statusCode,
    header: (name) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: body(),
    text: (maxBytes) => readText(body(), maxBytes, peer),
    discard: async () => {
      await response.body.dump().finally(watch.done);
      await immediate();
    },
  };
}

/** A whole body as text. @throws CairnError `not-a-cairn-server` for one of more than `maxBytes` */
export async function readText(
  body: AsyncIterable<Uint8Array>,
  maxBytes: number,
  peer: string,
): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) {
      throw new CairnError(
        'not-a-cairn-server',
        `${peer} answered with more than ${maxBytes} bytes where a short message belongs`,
      );
    }
    pieces.push(piece);
  }
  // Until then undici takes the connection for busy, and whoever asks next would get a new one.
  await immediate();
  return Buffer.concat(pieces, bytes).toString('utf8');
}

/** A response whose status is 2xx. @throws CairnError the one that another stands for */
export async function accepted(request: HttpRequest, response: HttpResponse): Promise<HttpResponse> {
  if (response.status >= 200 && response.status < 300) return response;
  throw await errorOf(request, response);
}

async function errorOf(request: HttpRequest, response: HttpResponse): Promise<CairnError> {
  const { status } = response;
  const text = request.method === 'HEAD' ? '' : await response.text(MAX_ERROR_BODY_BYTES);
  if (status < 400) {
    const where = printable(response.header('location') ?? 'an unnamed place');
    return new CairnError(
      'redirect-refused',
      `${request.url.origin} wants to send us to ${where.slice(0, 500)}; redirects are not followed: use that URL itself if you trust it`,
      {
        details: { status },
      },
    );
  }
  const error = errorOfResponse(status, response.header('content-type'), text, response.header(HEADER.error));
  // "The disk is full" alone would send the user to the wrong machine.
  const message = error.traits.exitCode === EXIT.storage ? `at the server: ${error.message}` : error.message;
  const told = new CairnError(error.code, message, { details: error.details });
  return withRetryAfter(told, response.header('retry-after'));
}
