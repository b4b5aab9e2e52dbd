/**
 * Requests over channels: connections that the server has upgraded, because a chunk costs both sides less there than
 * through the parsers of HTTP. Where there are none (an older server, a proxy between), the same requests go the usual way.
 */
import type { AnswerPace } from '../api/reach.ts';
import { BodyReader, type Pace } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import type { MessageChannel } from '../../base/message-channel.ts';
import { decodeHead, encodeHead, MAX_HEAD_BYTES, type MessageHead } from '../../wire/message-head.ts';
import { PROTOCOL_ROOT } from '../../wire/routes.ts';
import { DEFAULT_ANSWER_PACE, watchAnswer } from './answer-pace.ts';
import type { Connection } from './connection.ts';
import { accepted, readText, type HttpRequest, type HttpResponse } from './http-message.ts';
import { createChannelPool, type ChannelPool } from './channel-pool.ts';
import { networkError } from './connection-error.ts';

/** What sends a request, and throws for a response that is not 2xx. */
export interface Requester {
  /** @throws CairnError as {@link Connection.request} */
  request(request: HttpRequest): Promise<HttpResponse>;
}

/** Requests over channels. Close them. */
export interface Channels extends Requester {
  /** Closes those that are not in use, and answers how many that were. */
  closeIdle(): number;
  close(): void;
}

/** How channels behave. */
export interface ChannelOptions {
  /** The protocol root of the server. */
  readonly root: URL;
  readonly pace?: AnswerPace | undefined;
  /** A channel on which no byte moves for so long is given up. */
  readonly silenceMs?: number | undefined;
  /** How long no channel is asked for after one was refused. */
  readonly pauseMs?: number | undefined;
}

const DEFAULT_SILENCE_MS = 30_000;
/** A server that has too much to do may have said when to come back. */
const DEFAULT_PAUSE_MS = 5000;
const STATUS_LINE = /^HTTP\/1\.1 ([1-5][0-9]{2})(?: .*)?$/;

/** What a request over a channel works with. */
interface Way {
  readonly pool: ChannelPool;
  readonly root: URL;
  readonly pace: Pace & AnswerPace;
}

/** Makes channels beside a connection; none is opened before it is needed. */
export function createChannels(connection: Connection, options: ChannelOptions): Channels {
  const {
    root,
    pace: answerPace = DEFAULT_ANSWER_PACE,
    silenceMs = DEFAULT_SILENCE_MS,
    pauseMs = DEFAULT_PAUSE_MS,
  } = options;
  const pace = { ...answerPace, idleMs: silenceMs };
  const pool = createChannelPool({ connection, root, pace, pauseMs });
  return {
    request: async (request) => {
      const channel = await pool.take(request.signal);
      if (channel === undefined) return connection.request(request);
      return accepted(request, await exchange({ pool, root, pace }, channel, request));
    },
    closeIdle: pool.closeIdle,
    close: pool.close,
  };
}

async function exchange(way: Way, channel: MessageChannel, request: HttpRequest): Promise<HttpResponse> {
  const { signal } = request;
  const { pool, root, pace } = way;
  const watch = watchAnswer(root.origin, pace, signal);
  const onAbort = (): void => channel.destroy(watch.signal.reason as CairnError);
  watch.signal.addEventListener('abort', onAbort, { once: true });
  const over = (): void => {
    watch.signal.removeEventListener('abort', onAbort);
    watch.done();
  };
  try {
    signal?.throwIfAborted();
    channel.socket.setTimeout(pace.idleMs);
    const answer = finalHead(channel, root.origin);
    answer.catch(() => undefined); // told below
    const wasSent = await send(way, channel, request, answer);
    watch.sent();
    const head = await answer;
    watch.begun();
    if (head === undefined) throw channel.failure ?? closedError(way);
    pool.proved(channel, true);
    return responseOf(way, channel, head, { isReusable: wasSent, over, signal });
  } catch (error) {
    // A proxy may let the upgrade through, and nothing after it.
    if (signal?.aborted !== true) pool.proved(channel, false);
    channel.close();
    over();
    if (signal?.aborted === true) throw signal.reason;
    throw networkError(error, root.origin);
  }
}

function closedError({ root }: Way): CairnError {
  return new CairnError('network', `no connection to ${root.origin}: the connection was closed`);
}

interface Head extends MessageHead {
  readonly status: number;
}

/** The head of the answer, behind interim ones that something on the way has put in (RFC 9110, section 15.2). */
async function finalHead(channel: MessageChannel, origin: string): Promise<Head | undefined> {
  let text = await channel.readHead(MAX_HEAD_BYTES);
  while (text !== undefined) {
    const head = decodeHead(text);
    const status = Number(STATUS_LINE.exec(head.startLine)?.[1]);
    if (Number.isNaN(status))
      throw new CairnError(
        'network',
        `what came from ${origin} is not a valid answer: something on the way changed it`,
      );
    if (status >= 200) return { ...head, status };
    // oxlint-disable-next-line no-await-in-loop -- one comes after the other
    text = await channel.readNextHead(MAX_HEAD_BYTES);
  }
  return undefined;
}

/** Sends a request; false where the answer came before all of it was sent. */
async function send(
  { root }: Way,
  channel: MessageChannel,
  { method, url, headers = {}, body }: HttpRequest,
  answer: Promise<unknown>,
): Promise<boolean> {
  const length: Record<string, string> =
    body === undefined ? {} : { 'content-type': body.type, 'content-length': String(body.lengthBytes) };
  await channel.write(
    encodeHead(`${method} ${pathAtServer(url, root)} HTTP/1.1`, { host: url.host, ...length, ...headers }),
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
    if (leftBytes < 0) throw new CairnError('internal', 'a body has more bytes than announced');
    try {
      await channel.write(piece);
    } catch (error) {
      // A server that refuses says why before it closes the connection.
      if ((await answer) === undefined) throw error;
      return false;
    }
  }
  if (leftBytes > 0) throw new CairnError('internal', 'a body has fewer bytes than announced');
  return true;
}

/** A proxy that takes a prefix off has done so for the upgrade, and does not see what comes over the channel. */
function pathAtServer({ pathname, search }: URL, root: URL): string {
  return `/${PROTOCOL_ROOT}${pathname.slice(root.pathname.length)}${search}`;
}

interface Ending {
  /** Whether another request may follow, once the answer has been read. */
  readonly isReusable: boolean;
  readonly over: () => void;
  readonly signal: AbortSignal | undefined;
}

function responseOf(
  { pool, root, pace }: Way,
  channel: MessageChannel,
  { status, contentLengthBytes, fields }: Head,
  { isReusable, over, signal }: Ending,
): HttpResponse {
  const { origin } = root;
  const reader =
    contentLengthBytes === 0 ? undefined : new BodyReader(channel.body(contentLengthBytes), pace);
  let isOver = false;
  const end = (): void => {
    // Read to its end, and then given up: the channel must not be there for two.
    if (isOver) return;
    isOver = true;
    over();
    const goesOn = isReusable && reader?.isWhole !== false && fields.get('connection') !== 'close';
    if (!goesOn || channel.isOver) {
      channel.close();
      return;
    }
    channel.socket.setTimeout(0);
    pool.giveBack(channel);
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
    header: (name) => fields.get(name),
    body: body(),
    text: (maxBytes) => readText(body(), maxBytes, origin),
    discard: async () => {
      reader?.release();
      end();
    },
  };
}
