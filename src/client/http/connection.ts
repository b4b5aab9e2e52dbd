/**
 * HTTP to one origin. It knows requests, responses and failures; nothing of sessions, and it never tries twice.
 */
import type { AnswerPace, Proxy } from '../api/reach.ts';
import { BodyReader } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { DEFAULT_ANSWER_PACE, watchAnswer, type AnswerWatch } from './answer-pace.ts';
import { networkError } from './connection-error.ts';
import { accepted, errorOf, readText, type HttpRequest, type HttpResponse } from './http-message.ts';
import type { OriginSockets, PoolOptions } from './connection-pool.ts';
import type { requestOver as RequestOver, SocketAnswer, SocketRequest } from './http-socket.ts';
import { proxyWantsCredentials, shownProxy } from './proxy.ts';

/** A connection that speaks another protocol, and what came of it already. */
export type Switched = NonNullable<SocketAnswer['switched']>;

/** Connections to one origin, kept alive between requests. */
export interface Connection {
  readonly origin: string;
  /** How long it last took to open one, in milliseconds; undefined before the first. */
  readonly connectMs: number | undefined;
  /** The response, whatever its status. @throws CairnError `network`, `timeout`, `not-a-cairn-server`, what the body threw */
  exchange(request: HttpRequest): Promise<HttpResponse>;
  /** The response if its status is 2xx. @throws CairnError the one that the response stands for; `redirect-refused` */
  request(request: HttpRequest): Promise<HttpResponse>;
  /**
   * A connection of its own that speaks another protocol from now on, and what came of it already.
   *
   * @throws CairnError the one that the response stands for; `network` and so on
   */
  upgrade(request: HttpRequest, protocol: string): Promise<Switched>;
  /**
   * Bytes that were sent and are not confirmed yet by the system of the other side; undefined where that cannot be known.
   */
  unconfirmedBytes(): Promise<number | undefined>;
  /** Opens so many connections that will be needed soon. */
  openAhead(count: number): void;
  /** Closes those that are not in use, and answers how many that were. */
  closeIdle(): number;
  /** Ends all connections at once. */
  close(): Promise<void>;
}

/** An answer of which more is left is not read for the sake of its connection. */
const MAX_DISCARDED_BYTES = 128 * 1024;
/** Longest silence on a socket in both directions, unless the caller allows a longer one. */
const DEFAULT_SILENCE_MS = 30_000;
/** How long an idle connection is kept: where the server does not say how long it does, and at most. */
const DEFAULT_KEEP_MS = 4000;
const MAX_KEEP_MS = 600_000;

/** What requests of one connection have in common. */
interface Way {
  readonly sockets: OriginSockets;
  readonly requestOver: typeof RequestOver;
  readonly origin: string;
  /** The origin, and the proxy on the way there, for people. */
  readonly peer: string;
  /** Takes plain HTTP requests in place of the origin (RFC 9110, section 7.1). */
  readonly forwarder: Proxy | undefined;
  readonly pace: AnswerPace;
  readonly silenceMs: number;
  /** Whether the server has spoken HTTP: an answer that is none after that was spoiled on its way. */
  hasSpokenHttp: boolean;
}

/** How connections are made, and how slow an answer may be. */
export interface ConnectionOptions extends Omit<PoolOptions, 'pace' | 'silenceMs'> {
  readonly pace?: AnswerPace | undefined;
  /** A socket on which no byte moves for so long is given up; half a minute, where undefined. */
  readonly silenceMs?: number | undefined;
}

/** Opens connections to the origin of `url`; nothing is sent yet. */
export async function openConnection(url: URL, options: ConnectionOptions): Promise<Connection> {
  const { origin } = url;
  const { pace = DEFAULT_ANSWER_PACE, proxy, silenceMs = DEFAULT_SILENCE_MS } = options;
  // Node's HTTP client is loaded with the first connection.
  const [{ openSockets }, { requestOver }] = await Promise.all([
    import('./connection-pool.ts'),
    import('./http-socket.ts'),
  ]);
  const sockets = openSockets(origin, { ...options, pace, silenceMs });
  const peer = proxy === undefined ? origin : `${origin} (through ${shownProxy(proxy)})`;
  const forwarder = url.protocol === 'http:' ? proxy : undefined;
  const way: Way = { sockets, requestOver, origin, peer, pace, silenceMs, forwarder, hasSpokenHttp: false };
  const exchange = (request: HttpRequest): Promise<HttpResponse> => send(way, request);
  return {
    origin,
    get connectMs() {
      return sockets.connectMs;
    },
    exchange,
    request: async (request) => accepted(request, await exchange(request)),
    upgrade: (request, protocol) => upgrade(way, request, protocol),
    unconfirmedBytes: sockets.unconfirmedBytes,
    openAhead: sockets.openAhead,
    closeIdle: sockets.closeIdle,
    close: async () => sockets.close(),
  };
}

async function send(way: Way, request: HttpRequest): Promise<HttpResponse> {
  const { peer, forwarder } = way;
  const { signal, body } = request;
  signal?.throwIfAborted();
  const bodyFailure: { error?: unknown } = {};
  const watch = watchAnswer(peer, way.pace, signal);
  if (body === undefined) watch.sent();
  try {
    const answer = await ask(way, {
      ...messageOf(way, request),
      body: body === undefined ? undefined : { ...body, pieces: watched(body.pieces, bodyFailure, watch) },
      signal: watch.signal,
    });
    watch.begun();
    const response = responseOf(answer, way, request, watch);
    if (forwarder === undefined || answer.status !== 407) return response;
    await response.discard();
    throw proxyWantsCredentials(forwarder);
  } catch (error) {
    watch.done();
    if (signal?.aborted === true) throw signal.reason;
    if ('error' in bodyFailure) throw bodyFailure.error;
    throw failureOf(way, error);
  }
}

/** Makes a request on a socket of the pool, which gets it back. */
async function ask(way: Way, request: SocketRequest): Promise<SocketAnswer> {
  const { sockets } = way;
  const socket = await sockets.take(request.signal).catch((error: unknown) => {
    throw unconnected(way, error);
  });
  let keepMs = 0;
  try {
    const answer = await way.requestOver(socket, request, () => sockets.giveBack(socket, keepMs));
    keepMs = keepMsOf(answer.header('keep-alive'));
    way.hasSpokenHttp = true;
    if (answer.switched !== undefined) sockets.letGo(socket);
    return answer;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function upgrade(way: Way, request: HttpRequest, protocol: string): Promise<Switched> {
  const { signal = new AbortController().signal } = request;
  const { headers, ...message } = messageOf(way, request);
  try {
    const headersOfUpgrade = { ...headers, connection: 'Upgrade', upgrade: protocol };
    const answer = await ask(way, { ...message, headers: headersOfUpgrade, signal, isUpgrade: true });
    if (answer.switched !== undefined) return answer.switched;
    const watch = watchAnswer(way.peer, way.pace, signal);
    throw await errorOf(request, responseOf(answer, way, request, watch));
  } catch (error) {
    signal.throwIfAborted();
    throw failureOf(way, error);
  }
}

/** How long the other side keeps an idle connection (a hint of RFC 2068, section 19.7.1), less the way there. */
function keepMsOf(hint: string | undefined): number {
  const seconds = /\btimeout=(\d{1,6})\b/i.exec(hint ?? '')?.[1];
  if (seconds === undefined) return DEFAULT_KEEP_MS;
  return Math.max(0, Math.min(MAX_KEEP_MS, Number(seconds) * 1000 - 1000));
}

/** Nothing was sent: no connection could be opened. */
function unconnected(way: Way, error: unknown): CairnError {
  const { code, message, details, cause } = failureOf(way, error);
  return new CairnError(code, message, { cause, details: { ...details, isUnconnected: true } });
}

function failureOf({ peer, hasSpokenHttp }: Way, error: unknown): CairnError {
  return networkError(error, peer, hasSpokenHttp);
}

/** The head of a request as it is sent. */
function messageOf(
  { origin, forwarder }: Way,
  { method, url, headers = {}, body }: HttpRequest,
): Pick<SocketRequest, 'method' | 'path' | 'headers'> {
  if (url.origin !== origin)
    throw new CairnError('internal', `a request to ${url.origin} on a connection to ${origin}`);
  return {
    method,
    path: `${forwarder === undefined ? '' : origin}${url.pathname}${url.search}`,
    headers: {
      'host': url.host,
      ...(forwarder?.authorization === undefined ? {} : { 'proxy-authorization': forwarder.authorization }),
      'accept-encoding': 'identity',
      ...(body === undefined
        ? {}
        : { 'content-type': body.type, 'content-length': String(body.lengthBytes) }),
      ...headers,
    },
  };
}

/** Remembers what a body threw, which is no failure of the network; at its end the answer is due. */
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

function responseOf(
  answer: SocketAnswer,
  way: Way,
  { isSlow, signal }: HttpRequest,
  watch: AnswerWatch,
): HttpResponse {
  const { peer, pace, silenceMs } = way;
  const reader = new BodyReader(answer.body, {
    idleMs: silenceMs,
    minRate: isSlow === true ? 0 : pace.minRate,
    overMs: pace.overMs,
  });
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      yield* reader;
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw failureOf(way, answer.failure() ?? error);
    } finally {
      answer.end();
      watch.done();
    }
  }
  return {
    status: answer.status,
    header: answer.header,
    body: body(),
    text: (maxBytes) => readText(body(), maxBytes, peer),
    discard: () => discard(body()),
  };
}

/** Reads the rest, where that is little; a connection that breaks meanwhile is no loss. */
async function discard(body: AsyncGenerator<Uint8Array>): Promise<void> {
  let bytes = 0;
  try {
    for await (const piece of body) {
      bytes += piece.byteLength;
      if (bytes > MAX_DISCARDED_BYTES) return;
    }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
  }
}
