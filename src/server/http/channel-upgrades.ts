/** Serves the requests of channels: connections that were upgraded, because chunks cost less there. */
import { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { BodyReader } from '../../base/body-reader.ts';
import { CairnError } from '../../base/errors.ts';
import { MessageChannel } from '../../base/message-channel.ts';
import { CHANNEL_PROTOCOL, decodeHead, MAX_HEAD_BYTES, type MessageHead } from '../../wire/message-head.ts';
import { HEADER, PROTOCOL_ROOT, ROUTE } from '../../wire/routes.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Idle } from './connection-limits.ts';
import { paceOf } from './body-pace.ts';

/** Serves one request; never rejects. */
export type ServeChannelRequest = (
  request: IncomingMessage,
  response: ServerResponse,
  body: BodyReader | undefined,
) => Promise<void>;

/** The callbacks of channels. */
export interface Conduct {
  readonly serve: ServeChannelRequest;
  /** Called for a channel that ended because its client sent no valid message. */
  readonly onSpoiled: (handshake: IncomingMessage, error: unknown) => void;
}

/** The channels of a server. */
export interface Channels {
  /** Whether a request asks for a channel. */
  wants(request: IncomingMessage): boolean;
  /**
   * Turns a connection into a channel. False for a request that does not ask for one, and while the server drains.
   */
  open(request: IncomingMessage, socket: Duplex, early: Uint8Array): boolean;
  /** Since when the channel of a connection has no request; undefined while it has one, or where there is none. */
  idle(socket: Duplex): Idle | undefined;
  /** Ends idle channels at once, and the others after their current request. */
  drain(): void;
  destroy(): void;
}

/** The fields of a head that count: enough for a chunk of a session. */
const FIELDS = [
  'host',
  'content-type',
  'content-length',
  'content-encoding',
  'accept-encoding',
  HEADER.credential,
  HEADER.epoch,
  HEADER.offset,
  HEADER.decodedLength,
];
/** A client that authenticates by the connection itself must not reach any other route here. */
const REQUEST_LINE = /^(GET|HEAD|PUT) (\/\.cairn\/v1\/sessions\/[\w-]{1,64}\/chunks\/\d{1,9}) HTTP\/1\.1$/;
/** Fields that count only as a proxy sent them with the upgrade: later ones would be the client's own. */
const FIELDS_OF_PROXIES = ['x-forwarded-for', 'forwarded'];
/** How much of a refused body is read on, so that its sender can read the answer. */
const LINGER = { maxMs: 5000, maxBytes: 16 * 1024 * 1024 };

const SWITCHING = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${CHANNEL_PROTOCOL}\r\n\r\n`;

/** Whether a request asks for a channel; one with a body does not. */
function wantsChannel({ method, url, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    url === `/${PROTOCOL_ROOT}${ROUTE.channel()}` &&
    headers.upgrade?.toLowerCase() === CHANNEL_PROTOCOL &&
    (headers['content-length'] ?? '0') === '0' &&
    headers['transfer-encoding'] === undefined
  );
}

/** Turns connections that Node's server has released into channels, which carry chunks and nothing else. */
export function createChannels(limits: HttpLimits, conduct: Conduct): Channels {
  /** By the sockets of their connections. */
  const open = new Map<Duplex, Channel>();
  let isDraining = false;
  return {
    wants: wantsChannel,
    open: (request, socket, early) => {
      if (isDraining || !wantsChannel(request)) return false;
      const messages = new MessageChannel(socket, early);
      messages.socket.write(SWITCHING);
      const channel: Channel = { messages, handshake: request, idleSinceMs: performance.now() };
      open.set(socket, channel);
      void run(channel, limits, { ...conduct, isDraining: () => isDraining }).finally(() =>
        open.delete(socket),
      );
      return true;
    },
    idle: (socket) => {
      const { idleSinceMs: sinceMs, messages } = open.get(socket) ?? {};
      if (messages === undefined || sinceMs === undefined) return undefined;
      return { sinceMs, leastMs: limits.leastIdleMs.channel, end: () => messages.destroy() };
    },
    drain: () => {
      isDraining = true;
      for (const { idleSinceMs, messages } of open.values())
        if (idleSinceMs !== undefined) messages.destroy();
    },
    destroy: () => {
      for (const { messages } of open.values()) messages.destroy();
    },
  };
}

interface Channel {
  readonly messages: MessageChannel;
  readonly handshake: IncomingMessage;
  /** When its last answer ended; undefined while it has a request. */
  idleSinceMs: number | undefined;
}

/** Serves one request after the other; never rejects. */
async function run(
  channel: Channel,
  limits: HttpLimits,
  { serve, onSpoiled, isDraining }: Conduct & { readonly isDraining: () => boolean },
): Promise<void> {
  const { messages } = channel;
  // Replies set this timeout: a client that takes nothing for so long is cut off.
  messages.socket.on('timeout', () => messages.destroy());
  try {
    let goesOn = true;
    while (goesOn && !isDraining()) {
      const head = await nextHead(channel, limits.keepAliveMs);
      if (head === undefined) return;
      channel.idleSinceMs = undefined;
      goesOn = await answer(channel, head, limits, serve);
      channel.idleSinceMs = performance.now();
    }
  } catch (error) {
    // A client that sends no valid message gets no answer.
    onSpoiled(channel.handshake, error);
  } finally {
    messages.close();
  }
}

async function nextHead({ messages }: Channel, maxMs: number): Promise<MessageHead | undefined> {
  messages.socket.setTimeout(0);
  const timer = setTimeout(() => messages.destroy(), maxMs);
  try {
    const text = await messages.readHead(MAX_HEAD_BYTES);
    return text === undefined ? undefined : decodeHead(text);
  } finally {
    clearTimeout(timer);
  }
}

/** Answers one request; false where nothing may follow it. */
async function answer(
  { messages, handshake }: Channel,
  head: MessageHead,
  limits: HttpLimits,
  serve: ServeChannelRequest,
): Promise<boolean> {
  const { socket } = messages;
  const { contentLengthBytes } = head;
  const request = requestOf(head, handshake, messages);
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  const body =
    contentLengthBytes === 0 ? undefined : new BodyReader(messages.body(contentLengthBytes), paceOf(limits));
  await serve(request, response, body);
  if (!response.writableFinished) return false;
  response.detachSocket(socket);
  if (body?.isWhole === false) {
    await messages.linger(LINGER);
    return false;
  }
  return response.getHeader('connection') !== 'close';
}

function requestOf(
  head: MessageHead,
  handshake: IncomingMessage,
  { socket }: MessageChannel,
): IncomingMessage {
  const [, method, url] = REQUEST_LINE.exec(head.startLine) ?? [];
  if (url === undefined)
    throw new CairnError('invalid-request', 'a channel carries nothing but chunks of sessions');
  const request = new IncomingMessage(socket);
  const headers: Record<string, string> = {};
  for (const name of FIELDS) {
    const value = head.fields.get(name);
    if (value !== undefined) headers[name] = value;
  }
  for (const name of FIELDS_OF_PROXIES) {
    const value = handshake.headers[name];
    if (value !== undefined) headers[name] = String(value);
  }
  return Object.assign(request, {
    method,
    url,
    headers,
    rawHeaders: Object.entries(headers).flat(),
    httpVersion: '1.1',
    httpVersionMajor: 1,
    httpVersionMinor: 1,
    complete: true,
  });
}
