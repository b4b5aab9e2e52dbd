/**
 * Requests over channels: connections that the server has upgraded, because a chunk costs both sides less there than
 * through the parsers of HTTP. Where there are none (an older server, a proxy between), the same requests go the usual way.
 */
import { BodyReader, type Pace } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { MessageChannel } from '../../base/message-channel.ts';
import { watchReader } from '../../base/unsent.ts';
import {
  CHANNEL_PROTOCOL,
  decodeHead,
  encodeHead,
  MAX_HEAD_BYTES,
  type MessageHead,
} from '../../protocol/message-head.ts';
import { ROUTE } from '../../protocol/routes.ts';
import { DEFAULT_ANSWER_PACE, watchAnswer, type AnswerPace } from './answer-pace.ts';
import { accepted, readText, type Connection, type HttpRequest, type HttpResponse } from './connection.ts';
import { networkError } from './connection-error.ts';

/** What sends a request, and throws for a response that is not 2xx. */
export interface Requester {
  /** @throws CairnError as {@link Connection.request} */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Requests over channels. Close them. */
export interface Channels extends Requester {
  close(): void;
}

/** How channels behave. */
export interface ChannelOptions {
  /** The protocol root of the server. */
  readonly root: URL;
  readonly pace?: AnswerPace | undefined;
  /** A channel on which no byte moves for so long is given up. */
  readonly silenceMs?: number | undefined;
  /** How long nobody asks for a channel after one was refused. */
  readonly pauseMs?: number | undefined;
}

const DEFAULT_SILENCE_MS = 30_000;
/** A proxy that knows nothing of upgrades may as well be silent. */
const UPGRADE_TIMEOUT_MS = 5000;
/** So often in a row there was no channel, or none that carried anything: then nobody asks any more. */
const MAX_REFUSALS = 4;
/** Nor for so long after a refusal: a server that has too much to do may have said when to come back. */
const DEFAULT_PAUSE_MS = 5000;
const STATUS_LINE = /^HTTP\/1\.1 ([2-5][0-9]{2})(?: .*)?$/;

interface Pool {
  readonly connection: Connection;
  readonly root: URL;
  readonly pace: Pace & AnswerPace;
  readonly idle: MessageChannel[];
  readonly open: Set<MessageChannel>;
  /** Channels that have carried an answer. */
  readonly proved: WeakSet<MessageChannel>;
  /** Channels in a row that were refused, or ended before they had carried an answer. */
  refusals: number;
  readonly pauseMs: number;
  /** Until then no channel is asked for. */
  pausedUntilMs: number;
  isClosed: boolean;
}

/** Makes channels beside a connection; none is opened before it is needed. */
export function createChannels(connection: Connection, options: ChannelOptions): Channels {
  const {
    root,
    pace = DEFAULT_ANSWER_PACE,
    silenceMs = DEFAULT_SILENCE_MS,
    pauseMs = DEFAULT_PAUSE_MS,
  } = options;
  const pool: Pool = {
    connection,
    root,
    pace: { ...pace, idleMs: silenceMs },
    idle: [],
    open: new Set(),
    proved: new WeakSet(),
    refusals: 0,
    pauseMs,
    pausedUntilMs: 0,
    isClosed: false,
  };
  return {
    request: async (request) => {
      const channel = await takeChannel(pool, request.signal);
      if (channel === undefined) return connection.request(request);
      return accepted(request, await exchange(pool, channel, request));
    },
    close: () => {
      pool.isClosed = true;
      for (const channel of pool.open) channel.close();
    },
  };
}

async function takeChannel(pool: Pool, signal: AbortSignal | undefined): Promise<MessageChannel | undefined> {
  for (let channel = pool.idle.pop(); channel !== undefined; channel = pool.idle.pop()) {
    if (!channel.isOver) return channel;
    channel.close();
  }
  if (pool.refusals >= MAX_REFUSALS || performance.now() < pool.pausedUntilMs) return undefined;
  const limit = new AbortController();
  const giveUp = (): void => limit.abort();
  const timer = setTimeout(giveUp, UPGRADE_TIMEOUT_MS);
  signal?.addEventListener('abort', giveUp, { once: true });
  try {
    const path = new URL(ROUTE.channel(), pool.root).pathname;
    const socket = await pool.connection.upgrade(path, CHANNEL_PROTOCOL, limit.signal);
    if (signal?.aborted === true || pool.isClosed) {
      socket.on('error', () => undefined).destroy();
      throw closedError(pool);
    }
    return opened(pool, new MessageChannel(socket, (socket.read() as Buffer | null) ?? Buffer.alloc(0)));
  } catch {
    signal?.throwIfAborted();
    // Whatever it was, the usual way tells.
    pool.refusals += 1;
    pool.pausedUntilMs = performance.now() + pool.pauseMs;
    return undefined;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', giveUp);
  }
}

function opened(pool: Pool, channel: MessageChannel): MessageChannel {
  const { socket } = channel;
  const { origin } = pool.root;
  const { idleMs, minRate } = pool.pace;
  pool.open.add(channel);
  socket.on('timeout', () =>
    channel.destroy(new CairnError('timeout', `${origin} has been silent for ${idleMs / 1000} seconds`)),
  );
  const unwatch = watchReader(socket, pool.pace, () =>
    channel.destroy(new CairnError('timeout', `${origin} takes less than ${minRate} bytes a second`)),
  );
  socket.once('close', () => {
    unwatch();
    pool.open.delete(channel);
  });
  return channel;
}

async function exchange(pool: Pool, channel: MessageChannel, request: HttpRequest): Promise<HttpResponse> {
  const { signal } = request;
  const watch = watchAnswer(pool.root.origin, pool.pace, signal);
  const onAbort = (): void => channel.destroy(watch.signal.reason as CairnError);
  watch.signal.addEventListener('abort', onAbort, { once: true });
  const over = (): void => {
    watch.signal.removeEventListener('abort', onAbort);
    watch.done();
  };
  try {
    signal?.throwIfAborted();
    channel.socket.setTimeout(pool.pace.idleMs);
    const answer = channel.readHead(MAX_HEAD_BYTES);
    answer.catch(() => undefined); // told below
    const wasSent = await send(channel, request, answer);
    watch.sent();
    const text = await answer;
    watch.begun();
    if (text === undefined) throw channel.failure ?? closedError(pool);
    pool.refusals = 0;
    pool.proved.add(channel);
    return responseOf(pool, channel, decodeHead(text), { isReusable: wasSent, over, signal });
  } catch (error) {
    // A proxy may let the upgrade through, and nothing after it.
    if (!pool.proved.has(channel) && signal?.aborted !== true) pool.refusals += 1;
    channel.close();
    over();
    if (signal?.aborted === true) throw signal.reason;
    throw networkError(error, pool.root.origin);
  }
}

function closedError({ root }: Pool): CairnError {
  return new CairnError('network', `no connection to ${root.origin}: the connection was closed`);
}

/** Sends a request; false where the answer came before all of it was sent. */
async function send(
  channel: MessageChannel,
  { method, url, headers = {}, body }: HttpRequest,
  answer: Promise<unknown>,
): Promise<boolean> {
  const length: Record<string, string> =
    body === undefined ? {} : { 'content-type': body.type, 'content-length': String(body.lengthBytes) };
  await channel.write(
    encodeHead(`${method} ${url.pathname}${url.search} HTTP/1.1`, { host: url.host, ...length, ...headers }),
  );
  if (body === undefined) return true;
  let isAnswered = false;
  void answer.then(
    () => (isAnswered = true),
    () => (isAnswered = true),
  );
  let leftBytes = body.lengthBytes;
  for await (const piece of body.pieces) {
    if (isAnswered) return false;
    leftBytes -= piece.byteLength;
    if (leftBytes < 0) throw new CairnError('internal', 'a body has more bytes than it was said to have');
    try {
      await channel.write(piece);
    } catch (error) {
      // A server that refuses says why before it closes the connection.
      if ((await answer) === undefined) throw error;
      return false;
    }
  }
  if (leftBytes > 0) throw new CairnError('internal', 'a body has fewer bytes than it was said to have');
  return true;
}

interface Ending {
  /** Whether another request may follow, once the answer has been read. */
  readonly isReusable: boolean;
  readonly over: () => void;
  readonly signal: AbortSignal | undefined;
}

function responseOf(
  pool: Pool,
  channel: MessageChannel,
  head: MessageHead,
  { isReusable, over, signal }: Ending,
): HttpResponse {
  const { origin } = pool.root;
  const status = Number(STATUS_LINE.exec(head.startLine)?.[1]);
  if (Number.isNaN(status))
    throw new CairnError('not-a-cairn-server', `${origin} does not answer in HTTP/1.1`);
  const { contentLengthBytes } = head;
  const reader =
    contentLengthBytes === 0 ? undefined : new BodyReader(channel.body(contentLengthBytes), pool.pace);
  let isOver = false;
  const end = (): void => {
    // Read to its end, and then given up: the channel must not be there for two.
    if (isOver) return;
    isOver = true;
    over();
    const goesOn = isReusable && reader?.isWhole !== false && head.fields.get('connection') !== 'close';
    if (!goesOn || channel.isOver) {
      channel.close();
      return;
    }
    channel.socket.setTimeout(0);
    pool.idle.push(channel);
  };
  async function* body(): AsyncGenerator<Uint8Array> {
    try {
      if (reader !== undefined) yield* reader;
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw networkError(channel.failure ?? error, origin);
    } finally {
      end();
    }
  }
  return {
    status,
    header: (name) => head.fields.get(name),
    body: body(),
    text: (maxBytes) => readText(body(), maxBytes, origin),
    discard: async () => {
      reader?.release();
      end();
    },
  };
}
