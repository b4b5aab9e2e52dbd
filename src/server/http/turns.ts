/**
 * The requests of one connection, in turn: one is worked on, and the next is not even parsed before that has its answer.
 * Node's server parses whatever a client pipelines, thousands of requests in one read, and works on all of them at once;
 * what it holds for answers whose socket died is never given back (Node 20), and a connection that is upgraded behind an
 * unfinished answer would have two owners. Here the parser gets the bytes of one message at a time, the rest stays in the
 * stream, unread.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Idle } from './connection-limits.ts';
import { createMessageCutter, type MessageCutter } from './message-cutter.ts';
import { takeReads } from './shared-reads.ts';

/** The turns of all connections of a server. */
export interface Turns {
  /**
   * Runs `start` when every earlier request of its connection has its answer; never, where the connection ends before.
   */
  take(request: IncomingMessage, response: ServerResponse, start: () => void): void;
  /** Stops parsing a connection, for good; nothing more of it is read. */
  release(socket: Duplex): void;
  /**
   * Releases a connection to a new owner, who gets what was read and not parsed, `early` first; once all its requests have
   * their answers, and never where it ends before.
   */
  handOver(socket: Duplex, early: Uint8Array, takeOver: (unparsed: Buffer) => void): void;
  /** Serves a connection that was released, from `bytes` on. */
  adopt(socket: Duplex, bytes: Uint8Array): void;
  /** The last request of a connection that came whole and has no whole answer, and the one that was coming. */
  pending(socket: Duplex): { readonly whole: Pending | undefined; readonly partial: Pending | undefined };
  /** Whether nothing is asked for on a connection; half of a head is nothing yet. */
  idle(socket: Duplex): Idle | undefined;
}

/** A request without its whole answer. */
export interface Pending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface Line {
  /** Gives bytes to Node's parser. */
  readonly parse: (bytes: Uint8Array) => void;
  readonly cutter: MessageCutter;
  readonly stop: () => void;
  /** Requests without their whole answer, the oldest first, and what begins each. */
  readonly unanswered: (Pending & { readonly start: () => void })[];
  /** What follows the bytes that the parser is looking at. */
  rest: Uint8Array;
  isReleased: boolean;
  /** When it was made, or had its last answer. */
  idleSinceMs: number;
}

/** Told of a fault in what is done for a connection, which has been ended. */
export type OnFault = (error: unknown) => void;

const NOTHING = new Uint8Array(0);

/**
 * Takes over how the connections of a server are read. To be called before anything else listens for them.
 *
 * @param event what the server tells of connections that speak HTTP: `connection`, or `secureConnection` over TLS
 */
export function takeTurns(
  server: Server | SecureServer,
  event: 'connection' | 'secureConnection',
  { leastIdleMs, onFault }: { readonly leastIdleMs: number; readonly onFault: OnFault },
): Turns {
  const lines = new WeakMap<Duplex, Line>();
  const accept = server.listeners(event) as ((socket: Socket) => void)[];
  const attach = (socket: Socket): void => {
    const line = attachLine(socket, onFault);
    if (line !== undefined) lines.set(socket, line);
  };
  server.on(event, attach);
  return {
    take: (request, response, start) => {
      const line = lines.get(request.socket);
      if (line === undefined) start();
      else enqueue(line, { request, response, start });
    },
    release: (socket) => {
      const line = lines.get(socket);
      if (line !== undefined) release(line);
    },
    handOver: (socket, early, takeOver) => {
      const line = lines.get(socket);
      const unparsed = Buffer.concat([early, line === undefined ? NOTHING : release(line)]);
      const last = line?.unanswered.at(-1);
      const hand = (): void => takeOver(Buffer.concat([unparsed, ...readAll(socket)]));
      if (last === undefined) {
        hand();
        return;
      }
      // It came in one piece with the end of a body without a length, whose request is not answered yet.
      socket.pause();
      last.response.once('close', () => {
        if (!socket.destroyed) hand();
      });
    },
    adopt: (socket, bytes) => {
      socket.unshift(bytes);
      for (const listener of accept) listener.call(server, socket as Socket);
      attach(socket as Socket);
      // It may have waited for answers that were under way.
      socket.resume();
    },
    pending: (socket) => {
      const { unanswered = [] } = lines.get(socket) ?? {};
      return {
        whole: unanswered.findLast(({ request }) => request.complete),
        partial: unanswered.find(({ request }) => !request.complete),
      };
    },
    idle: (socket) => {
      const line = lines.get(socket);
      if (line === undefined || line.isReleased || line.unanswered.length > 0) return undefined;
      return { sinceMs: line.idleSinceMs, leastMs: leastIdleMs, end: () => void socket.destroy() };
    },
  };
}

/** Puts itself between a socket and the parser that Node's server has attached to it. */
function attachLine(socket: Socket, onFault: OnFault): Line | undefined {
  // Node takes its own listener away where a connection is upgraded.
  socket.on('error', () => undefined);
  const [onData] = socket.listeners('data') as ((piece: Buffer) => void)[];
  if (onData === undefined) return undefined;
  const guarded = (piece: Buffer, isLent: boolean): void => {
    try {
      feed(socket, line, piece, isLent);
    } catch (error) {
      socket.destroy();
      onFault(error);
    }
  };
  const listener = (piece: Buffer): void => guarded(piece, false);
  const line: Line = {
    parse: (bytes) => onData.call(socket, bytes as Buffer),
    cutter: createMessageCutter(),
    stop: () => {
      socket.off('data', listener);
      takeReads(socket, undefined);
    },
    unanswered: [],
    rest: NOTHING,
    isReleased: false,
    idleSinceMs: performance.now(),
  };
  socket.off('data', onData);
  // Node notices that somebody else reads, and hands what comes to listeners from then on.
  socket.on('data', listener);
  takeReads(socket, (piece) => guarded(piece, true));
  socket.once('close', () => (line.unanswered.length = 0));
  return line;
}

/** @param isLent whether the memory of the piece is somebody else's when this returns */
function feed(socket: Socket, line: Line, piece: Uint8Array, isLent: boolean): void {
  let bytes = piece;
  while (bytes.byteLength > 0) {
    if (mustWait(socket, line)) {
      // Paused first: what is put back into a stream that flows comes at once.
      socket.pause();
      socket.unshift(isLent ? Buffer.from(bytes) : bytes);
      noticeClose(socket);
      return;
    }
    const length = line.cutter.next(bytes);
    line.rest = bytes.subarray(length);
    line.parse(length === bytes.byteLength ? bytes : bytes.subarray(0, length));
    if (line.isReleased || socket.destroyed) return;
    bytes = line.rest;
    line.rest = NOTHING;
  }
}

/** Has a paused socket read on as far as its stream may hold: otherwise its end would be seen after the answer. */
function noticeClose(socket: Socket): void {
  if (socket.readableLength < socket.readableHighWaterMark) socket.read(0);
}

/** Whether what comes next is for a later request than those that wait for their answers, or Node wants nothing now. */
function mustWait(socket: Socket, { unanswered }: Line): boolean {
  if (unanswered.length > 0) return unanswered.at(-1)!.request.complete || socket.isPaused();
  return isHeldByNode(socket);
}

/** Node's own note that it has stopped a socket whose answers are not taken. */
function isHeldByNode(socket: Socket): boolean {
  return (socket as Socket & { readonly _paused?: boolean })._paused === true;
}

function enqueue(line: Line, entry: Line['unanswered'][number]): void {
  const { request, response, start } = entry;
  line.unanswered.push(entry);
  line.cutter.began(request);
  response.once('close', () => {
    if (line.unanswered[0] !== entry) return;
    line.unanswered.shift();
    line.idleSinceMs = performance.now();
    const next = line.unanswered[0];
    if (next !== undefined) soon(() => line.unanswered[0] === next && next.start());
    else if (request.socket.isPaused()) soon(() => goOn(request.socket, line));
  });
  if (line.unanswered.length === 1) start();
}

/** In a turn of the event loop of its own: others are not to wait until somebody's last pipelined request is answered. */
function soon(work: () => void): void {
  setImmediate(work);
}

function goOn(socket: Socket, line: Line): void {
  if (!line.isReleased && line.unanswered.length === 0 && !isHeldByNode(socket)) socket.resume();
}

/** Answers what followed the bytes that the parser is looking at; its memory may be lent. */
function release(line: Line): Uint8Array {
  line.isReleased = true;
  line.stop();
  const { rest } = line;
  line.rest = NOTHING;
  return rest;
}

/** What waits in a stream. */
function readAll(socket: Duplex): Buffer[] {
  const read = (): Buffer | null => socket.read() as Buffer | null;
  const pieces: Buffer[] = [];
  for (let piece = read(); piece !== null; piece = read()) pieces.push(piece);
  return pieces;
}
