/**
 * Serves the requests of a connection one at a time: the parser gets the bytes of one message, and the rest stays in
 * the stream, unread, until that message has its answer. Node's server would parse all pipelined requests at once, leak
 * the answers whose socket died (Node 20), and give a connection two owners that is upgraded behind an unfinished
 * answer.
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
   * Runs `start` when every earlier request of its connection has its answer; never where the connection ends before.
   */
  take(request: IncomingMessage, response: ServerResponse, start: () => void): void;
  /** Stops reading and parsing a connection for good. */
  release(socket: Duplex): void;
  /**
   * Stops parsing a connection and gives it to a new owner once all its requests have their answers; never where it
   * ends before. The owner gets the bytes that were read and not parsed, `early` first.
   */
  handOver(socket: Duplex, early: Uint8Array, takeOver: (unparsed: Buffer) => void): void;
  /** Serves a connection that was released, from `bytes` on. */
  adopt(socket: Duplex, bytes: Uint8Array): void;
  /** The last whole request of a connection without its whole answer, and the one that is still arriving. */
  pending(socket: Duplex): { readonly whole: Pending | undefined; readonly incomplete: Pending | undefined };
  /** Since when a connection has no request; undefined while it has one. Half of a head is none yet. */
  idle(socket: Duplex): Idle | undefined;
}

/** A request without its whole answer. */
export interface Pending {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

interface RequestQueue {
  readonly parse: (bytes: Uint8Array) => void;
  readonly cutter: MessageCutter;
  readonly stop: () => void;
  /** Requests without their whole answer, the oldest first, and the function that starts each. */
  readonly unanswered: (Pending & { readonly start: () => void })[];
  /** The bytes behind those that the parser is working on. */
  rest: Uint8Array;
  isReleased: boolean;
  /** When it began, or its last answer ended, by `performance.now()`. */
  idleSinceMs: number;
}

/** Called after a fault in the work for a connection has ended that connection. */
export type OnFault = (error: unknown) => void;

const NOTHING = new Uint8Array(0);

/**
 * Takes over the reading of a server's connections. Call it before anything else listens for them.
 *
 * @param event the server's event for connections that speak HTTP: `connection`, or `secureConnection` over TLS
 */
export function takeTurns(
  server: Server | SecureServer,
  event: 'connection' | 'secureConnection',
  { leastIdleMs, onFault }: { readonly leastIdleMs: number; readonly onFault: OnFault },
): Turns {
  const queues = new WeakMap<Duplex, RequestQueue>();
  const accept = server.listeners(event) as ((socket: Socket) => void)[];
  const attach = (socket: Socket): void => {
    const queue = attachQueue(socket, onFault);
    if (queue !== undefined) queues.set(socket, queue);
  };
  server.on(event, attach);
  return {
    take: (request, response, start) => {
      const queue = queues.get(request.socket);
      if (queue === undefined) start();
      else enqueue(queue, { request, response, start });
    },
    release: (socket) => {
      const queue = queues.get(socket);
      if (queue !== undefined) release(queue);
    },
    handOver: (socket, early, takeOver) => {
      const queue = queues.get(socket);
      const unparsed = Buffer.concat([early, queue === undefined ? NOTHING : release(queue)]);
      const last = queue?.unanswered.at(-1);
      const hand = (): void => takeOver(Buffer.concat([unparsed, ...readAll(socket)]));
      if (last === undefined) {
        hand();
        return;
      }
      // The upgrade arrived in one piece with the end of a body without a length, whose request has no answer yet.
      socket.pause();
      last.response.once('close', () => {
        if (!socket.destroyed) hand();
      });
    },
    adopt: (socket, bytes) => {
      socket.unshift(bytes);
      for (const listener of accept) listener.call(server, socket as Socket);
      attach(socket as Socket);
      // It may have been paused until earlier answers were out.
      socket.resume();
    },
    pending: (socket) => {
      const { unanswered = [] } = queues.get(socket) ?? {};
      return {
        whole: unanswered.findLast(({ request }) => request.complete),
        incomplete: unanswered.find(({ request }) => !request.complete),
      };
    },
    idle: (socket) => {
      const queue = queues.get(socket);
      if (queue === undefined || queue.isReleased || queue.unanswered.length > 0) return undefined;
      return { sinceMs: queue.idleSinceMs, leastMs: leastIdleMs, end: () => void socket.destroy() };
    },
  };
}

/** Puts a queue between a socket and the parser that Node's server has attached to it. */
function attachQueue(socket: Socket, onFault: OnFault): RequestQueue | undefined {
  // Node removes its own listener when a connection is upgraded.
  socket.on('error', () => undefined);
  const [onData] = socket.listeners('data') as ((piece: Buffer) => void)[];
  if (onData === undefined) return undefined;
  const guarded = (piece: Buffer, isLent: boolean): void => {
    try {
      feed(socket, queue, piece, isLent);
    } catch (error) {
      socket.destroy();
      onFault(error);
    }
  };
  const listener = (piece: Buffer): void => guarded(piece, false);
  const queue: RequestQueue = {
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
  // Node notices the second listener, stops reading by itself, and gives the bytes to listeners from then on.
  socket.on('data', listener);
  takeReads(socket, (piece) => guarded(piece, true));
  socket.once('close', () => (queue.unanswered.length = 0));
  return queue;
}

/** @param isLent whether the next read overwrites the memory of the piece when this returns */
function feed(socket: Socket, queue: RequestQueue, piece: Uint8Array, isLent: boolean): void {
  let bytes = piece;
  while (bytes.byteLength > 0) {
    if (mustWait(socket, queue)) {
      // Paused first: a flowing stream would emit the bytes again at once.
      socket.pause();
      socket.unshift(isLent ? Buffer.from(bytes) : bytes);
      noticeClose(socket);
      return;
    }
    const length = queue.cutter.next(bytes);
    queue.rest = bytes.subarray(length);
    queue.parse(length === bytes.byteLength ? bytes : bytes.subarray(0, length));
    if (queue.isReleased || socket.destroyed) return;
    bytes = queue.rest;
    queue.rest = NOTHING;
  }
}

/** Lets a paused socket fill its stream: otherwise the server would see its end only after the answer. */
function noticeClose(socket: Socket): void {
  if (socket.readableLength < socket.readableHighWaterMark) socket.read(0);
}

/** Whether the next bytes belong to a later request than those without answers, or Node wants no bytes now. */
function mustWait(socket: Socket, { unanswered }: RequestQueue): boolean {
  if (unanswered.length > 0) return unanswered.at(-1)!.request.complete || socket.isPaused();
  return isHeldByNode(socket);
}

/** Node's own flag on a socket that it has paused because the client does not take its answers. */
function isHeldByNode(socket: Socket): boolean {
  return (socket as Socket & { readonly _paused?: boolean })._paused === true;
}

function enqueue(queue: RequestQueue, entry: RequestQueue['unanswered'][number]): void {
  const { request, response, start } = entry;
  queue.unanswered.push(entry);
  queue.cutter.began(request);
  response.once('close', () => {
    if (queue.unanswered[0] !== entry) return;
    queue.unanswered.shift();
    queue.idleSinceMs = performance.now();
    const next = queue.unanswered[0];
    if (next !== undefined) soon(() => queue.unanswered[0] === next && next.start());
    else if (request.socket.isPaused()) soon(() => goOn(request.socket, queue));
  });
  if (queue.unanswered.length === 1) start();
}

/** Runs work in its own turn of the event loop: other clients must not wait for all pipelined requests of one. */
function soon(work: () => void): void {
  setImmediate(work);
}

function goOn(socket: Socket, queue: RequestQueue): void {
  if (!queue.isReleased && queue.unanswered.length === 0 && !isHeldByNode(socket)) socket.resume();
}

/** Stops a queue and returns the bytes behind those that the parser is working on; their memory may be lent. */
function release(queue: RequestQueue): Uint8Array {
  queue.isReleased = true;
  queue.stop();
  const { rest } = queue;
  queue.rest = NOTHING;
  return rest;
}

/** Takes all bytes that wait in a stream. */
function readAll(socket: Duplex): Buffer[] {
  const read = (): Buffer | null => socket.read() as Buffer | null;
  const pieces: Buffer[] = [];
  for (let piece = read(); piece !== null; piece = read()) pieces.push(piece);
  return pieces;
}
