/** How many connections there may be, in all and of one network address; idle ones make room for new ones. */
import type { Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CairnError } from '../../base/errors.ts';
import { addressKey } from '../../base/address-key.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Refusals } from './refusals.ts';

/** Refused connections that still get their answer at a time; what is beyond is only closed. */
const MAX_ANSWERED = 64;
/** A handshake that takes longer than this makes room for others. */
const HANDSHAKE_MS = 5000;

/** What limits connections, and who is told when they do. */
export interface ConnectionLimits {
  readonly limits: HttpLimits;
  readonly refusals: Refusals;
  /** Behind one address of these there are many clients. */
  readonly isTrustedProxy: (address: string) => boolean;
}

/** A connection on which nothing is asked for. */
export interface Idle {
  /** Since when, by `performance.now()`. */
  readonly sinceMs: number;
  /** For how long it is left alone in any case: a client asks again soon after an answer, and needs time to ask at all. */
  readonly leastMs: number;
  readonly end: () => void;
}

/** What is asked, and told, about connections. */
export interface ConnectionHooks {
  /** The socket to be used in place of one that has just come. */
  readonly accept?: (socket: Socket) => Socket;
  /** How to answer on a bare socket, and end it; undefined where nobody could read that. */
  readonly refuse?: (socket: Socket, error: CairnError) => void;
  /** The socket that speaks HTTP over another one: a TLS socket, or the same. Undefined before the handshake is over. */
  readonly speakerOf: (socket: Socket) => Duplex | undefined;
  /** Whether nothing is asked for on a socket that speaks HTTP. */
  readonly idleOf: (socket: Duplex) => Idle | undefined;
}

interface Connection {
  readonly socket: Socket;
  readonly key: string;
  readonly sinceMs: number;
}

/** The connections that a server has. */
export interface Connections {
  /** Ends all of them, whatever is under way. */
  destroy(): void;
}

/**
 * Lets only so many connections through to the server. Where there are as many as may be, the one that has been idle for
 * longest makes room; where none is idle, the new one is answered with 503, if it can be, and closed.
 */
export function limitConnections(
  server: Server | SecureServer,
  context: ConnectionLimits,
  hooks: ConnectionHooks,
): Connections {
  const open = new Set<Connection>();
  const ofAddress = new Map<string, number>();
  const forget = (connection: Connection): void => {
    if (!open.delete(connection)) return;
    const left = ofAddress.get(connection.key)! - 1;
    if (left === 0) ofAddress.delete(connection.key);
    else ofAddress.set(connection.key, left);
  };
  const makeRoom = (isCandidate: (connection: Connection) => boolean): boolean => {
    const longest = longestIdle(open, isCandidate, hooks);
    if (longest === undefined) return false;
    forget(longest.connection);
    longest.end();
    return true;
  };
  const turnAway = createTurnAway(hooks);
  const { maxConnections, maxConnectionsPerAddress } = context.limits;
  // Node lets a server be given its connections by emitting this event; here some are not passed on.
  const serve = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  const { accept = (socket) => socket } = hooks;
  server.on('connection', (accepted: Socket) => {
    const socket = accept(accepted);
    // Whatever becomes of it: an error that nobody listens for would end the process.
    socket.on('error', () => undefined);
    const address = socket.remoteAddress ?? 'unknown';
    const key = addressKey(address);
    const isCrowded =
      (ofAddress.get(key) ?? 0) >= maxConnectionsPerAddress && !context.isTrustedProxy(address);
    const limit =
      isCrowded && !makeRoom((other) => other.key === key)
        ? 'connections-per-address'
        : open.size >= maxConnections && !makeRoom(() => true)
          ? 'connections'
          : undefined;
    if (limit !== undefined) {
      context.refusals.note(limit, { address });
      turnAway(socket, tooMany(limit));
      return;
    }
    const connection = { socket, key, sinceMs: performance.now() };
    open.add(connection);
    ofAddress.set(key, (ofAddress.get(key) ?? 0) + 1);
    socket.once('close', () => forget(connection));
    for (const listener of serve) listener.call(server, socket);
  });
  return {
    destroy: () => {
      for (const { socket } of open) (hooks.speakerOf(socket) ?? socket).destroy();
    },
  };
}

function longestIdle(
  open: ReadonlySet<Connection>,
  isCandidate: (connection: Connection) => boolean,
  { speakerOf, idleOf }: ConnectionHooks,
): { connection: Connection; end: () => void } | undefined {
  const nowMs = performance.now();
  let longest: { connection: Connection; end: () => void; sinceMs: number } | undefined;
  for (const connection of open) {
    if (!isCandidate(connection)) continue;
    const { socket, sinceMs } = connection;
    const speaker = speakerOf(socket);
    const handshake = { sinceMs, leastMs: HANDSHAKE_MS, end: () => void socket.destroy() };
    const idle = speaker === undefined ? handshake : idleOf(speaker);
    if (idle === undefined || nowMs - idle.sinceMs < idle.leastMs) continue;
    if (longest === undefined || idle.sinceMs < longest.sinceMs) longest = { ...idle, connection };
  }
  return longest;
}

function createTurnAway({ refuse }: ConnectionHooks): (socket: Socket, error: CairnError) => void {
  let answered = 0;
  return (socket, error) => {
    if (refuse === undefined || answered >= MAX_ANSWERED) {
      socket.destroy();
      return;
    }
    answered += 1;
    socket.once('close', () => (answered -= 1));
    refuse(socket, error);
  };
}

function tooMany(limit: 'connections' | 'connections-per-address'): CairnError {
  const whose = limit === 'connections' ? 'the server' : 'this address';
  return new CairnError('server-busy', `${whose} has as many connections as it may have`, {
    details: { limit },
  });
}
