/** One connection through the cutting proxy: its two sockets, what goes from one to the other, and what is done to it. */
import { connect, type Socket } from 'node:net';

/** From the client to the server, or back. */
export type Way = 'up' | 'down';

/** A request as it goes by. */
export interface PassingRequest {
  readonly method: string;
  readonly path: string;
  /** How many its connection has had, with this one. */
  readonly number: number;
}

/**
 * What becomes of a request: it passes; it passes and its connection is reset when the answer comes; its connection is
 * reset or closed before it; the proxy answers in place of the server, with these bytes, and closes.
 */
export type Verdict = 'pass' | 'lose-reply' | 'reset' | 'close' | { readonly answer: string };

/** Bytes as they go by. */
export interface PassingPiece {
  readonly way: Way;
  /** May be changed in place. */
  readonly bytes: Buffer;
  /** Where the body begins in them: their length where all of them are of a head. */
  readonly bodyFrom: number;
  /** The request that they are of, or that they answer. */
  readonly request: PassingRequest | undefined;
}

/** Sees bytes of one connection as they are passed on. */
export type ProxyTap = (connection: number, way: Way, bytes: Buffer) => void;

/** What all connections of a proxy share. */
export interface ProxyState {
  readonly links: Set<Link>;
  readonly target: { host: string; port: number };
  paused: boolean;
  /** What waits for the end of a pause. */
  readonly waiting: (() => void)[];
  /** What went through. */
  readonly bytes: Record<Way, number>;
  readonly cutAt: Record<Way, number>;
  readonly pauseAt: Record<Way, number>;
  onPause: () => void;
  onCut: () => void;
  /** Ways in which bytes vanish, for connections that are made now. */
  readonly holes: Record<Way, boolean>;
  connections: number;
  onRequest: (request: PassingRequest) => Verdict;
  onPiece: (piece: PassingPiece) => void;
  readonly tap: ProxyTap | undefined;
  /** How long to hold a piece back, by its length, in milliseconds. */
  readonly throttles: Record<Way, (bytes: number) => number>;
  /** How long a connection may live, in milliseconds. */
  readonly maxAgeMs: number | undefined;
  /** What went this way before a cut still arrives: that side is ended, where the other one is reset. */
  readonly drains: Way | undefined;
}

/** One connection. */
export interface Link {
  /** The how manieth connection of its proxy it is. */
  readonly id: number;
  readonly client: Socket;
  readonly server: Socket;
  /** Ways in which its bytes, and its end, vanish. */
  readonly holes: Record<Way, boolean>;
  requests: number;
  request: PassingRequest | undefined;
  /** What is still to come of the answer to its request; at most 0 where it waits for another one. */
  answerBytesLeft: number;
  /** Whether the next bytes down begin with the head of an answer, or go on with it. */
  isInHead: boolean;
  losesReply: boolean;
}

const TICK_MS = 5;
const REQUEST_LINE = /^(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP\/1\.1\r\n/;
const MAX_REQUEST_LINE_BYTES = 4096;

/** Takes a client in, and connects it to the target. */
export function openLink(client: Socket, state: ProxyState): void {
  const server = connect({ ...state.target, allowHalfOpen: true, noDelay: true });
  client.setNoDelay(true);
  state.connections += 1;
  const link: Link = {
    id: state.connections,
    client,
    server,
    holes: { ...state.holes },
    requests: 0,
    request: undefined,
    answerBytesLeft: 0,
    isInHead: false,
    losesReply: false,
  };
  state.links.add(link);
  const forget = (): void => {
    if (client.destroyed && server.destroyed) state.links.delete(link);
  };
  // A target that is away resets its clients, as a network would; what falls into a hole tells nobody of its end.
  server.on('error', () => void (link.holes.down || client.resetAndDestroy()));
  server.on('close', () => {
    if (!link.holes.down) client.end();
    forget();
  });
  client.on('error', () => undefined);
  client.on('close', () => {
    if (!link.holes.up && state.drains !== 'up') server.destroy();
    forget();
  });
  if (state.maxAgeMs !== undefined) setTimeout(() => resetLink(link, state), state.maxAgeMs).unref();
  pipe(link, 'up', state);
  pipe(link, 'down', state);
}

/** Resets both sides, or all but the one that drains. */
export function resetLink(link: Link, state: ProxyState): void {
  state.links.delete(link);
  for (const [way, socket] of [
    ['up', link.server],
    ['down', link.client],
  ] as const) {
    if (state.drains !== way) socket.resetAndDestroy();
    else socket.resume().end();
  }
}

function pipe(link: Link, way: Way, state: ProxyState): void {
  const [from, to] = way === 'up' ? [link.client, link.server] : [link.server, link.client];
  const pass = (bytes: Buffer): void => {
    // Bytes for a side that has ended, or that was told of the end, reach nobody, and are not counted.
    if (link.holes[way] || to.destroyed || to.writableEnded || to.readableEnded) {
      from.resume();
      return;
    }
    const room = state.pauseAt[way] - state.bytes[way];
    if (bytes.length > room) {
      state.pauseAt[way] = Infinity;
      state.paused = true;
      state.waiting.push(() => pass(bytes.subarray(room)));
      if (room > 0) forward(bytes.subarray(0, room), () => undefined);
      state.onPause();
      return;
    }
    forward(bytes, () => void from.resume());
  };
  const forward = (bytes: Buffer, goOn: () => void): void => {
    state.bytes[way] += bytes.length;
    state.tap?.(link.id, way, bytes);
    if (to.write(bytes)) goOn();
    else whenTaken(to, goOn);
    if (state.bytes[way] < state.cutAt[way]) return;
    state.cutAt[way] = Infinity;
    for (const other of state.links) resetLink(other, state);
    state.onCut();
  };
  from.on('data', (bytes: Buffer) => {
    from.pause();
    if (link.holes[way]) {
      from.resume();
      return;
    }
    if (!inspect(link, way, bytes, state)) return;
    const waitMs = state.throttles[way](bytes.length);
    const later = (): void => {
      if (state.paused) state.waiting.push(() => pass(bytes));
      else pass(bytes);
    };
    if (waitMs < TICK_MS) later();
    else setTimeout(later, waitMs);
  });
  from.on('end', () => void (link.holes[way] || to.end()));
}

/** Calls back when a socket takes more, or nothing any more. */
function whenTaken(socket: Socket, goOn: () => void): void {
  const taken = (): void => {
    socket.off('drain', taken);
    socket.off('close', taken);
    goOn();
  };
  socket.on('drain', taken);
  socket.on('close', taken);
}

/** Looks at bytes that go by; false where they do not, because something else became of their connection. */
function inspect(link: Link, way: Way, bytes: Buffer, state: ProxyState): boolean {
  if (way === 'down' && link.losesReply) {
    resetLink(link, state);
    return false;
  }
  const head = way === 'up' ? takeRequest(link, bytes) : link.isInHead;
  const end = head ? bytes.indexOf('\r\n\r\n') : 0;
  const bodyFrom = !head ? 0 : end < 0 ? bytes.length : end + 4;
  if (way === 'down') countAnswer(link, bytes, head && end >= 0 ? end + 4 : undefined);
  if (way === 'down' && end >= 0) link.isInHead = false;
  if (way === 'up' && head && !obey(link, state.onRequest(link.request!), state)) return false;
  state.onPiece({ way, bytes, bodyFrom, request: link.request });
  return true;
}

/** How much of an answer is still to come, by the length in its head; one of chunks ends with an empty one. */
function countAnswer(link: Link, bytes: Buffer, bodyFrom: number | undefined): void {
  if (bodyFrom !== undefined) {
    const head = bytes.toString('latin1', 0, bodyFrom);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const hasNone = link.request?.method === 'HEAD' || /^HTTP\/1\.1 (204|304)/.test(head);
    const isOfChunks = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(head);
    link.answerBytesLeft = hasNone ? 0 : isOfChunks ? Infinity : Number(length ?? 0);
  }
  if (link.isInHead && bodyFrom === undefined) return;
  link.answerBytesLeft -= bytes.length - (bodyFrom ?? 0);
  if (bytes.subarray(-5).toString('latin1') === '0\r\n\r\n' && link.answerBytesLeft === Infinity)
    link.answerBytesLeft = 0;
}

/** A client without pipelining begins each request with a packet of its own. */
function takeRequest(link: Link, bytes: Buffer): boolean {
  const match = REQUEST_LINE.exec(bytes.toString('latin1', 0, MAX_REQUEST_LINE_BYTES));
  if (match === null) return false;
  link.requests += 1;
  link.request = { method: match[1]!, path: match[2]!, number: link.requests };
  link.isInHead = true;
  link.answerBytesLeft = Infinity;
  return true;
}

function obey(link: Link, verdict: Verdict, state: ProxyState): boolean {
  if (verdict === 'pass') return true;
  if (verdict === 'lose-reply') {
    link.losesReply = true;
    return true;
  }
  if (verdict === 'reset') {
    resetLink(link, state);
    return false;
  }
  link.server.destroy();
  link.client.end(verdict === 'close' ? '' : verdict.answer);
  link.client.resume(); // what is still sent of the request is of no interest
  return false;
}
