/** Limits the connections, in all and of one network address; idle ones make room for new ones. */
import type { Server } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { CairnError } from '../../base/errors.ts';
import { addressKey } from '../../base/address-key.ts';
import type { HttpLimits } from './http-limits.ts';
import type { Refusals } from './refusals.ts';

/** Refused connections that get an answer at a time; the server only closes those beyond. */
const MAX_ANSWERED = 64;
/** A handshake that takes longer than this makes room for others. */
const HANDSHAKE_MS = 5000;

/** The limits of connections, and where refusals are noted. */
export interface ConnectionLimits {
  readonly limits: HttpLimits;
  readonly refusals: Refusals;
  /** Many clients may share the address of a trusted proxy. */
  readonly isTrustedProxy: (address: string) => boolean;
}

/** A connection without a request. */
export interface Idle {
  /** Since when, by `performance.now()`. */
  readonly sinceMs: number;
  /** It is left alone for so long in any case: a client needs time to ask, and asks again soon after an answer. */
  readonly leastMs: number;
  readonly end: () => void;
}

/** The functions that {@link limitConnections} calls about connections. */
export interface ConnectionHooks {
  /** The socket to use in place of one that was just accepted. */
  readonly accept?: (socket: Socket) => Socket;
  /** Answers on a bare socket and ends it; undefined where no client could read that answer. */
  readonly refuse?: (socket: Socket, error: CairnError) => void;
  /** The socket that speaks HTTP over a plain one: its TLS socket, or itself. Undefined during a handshake. */
  readonly speakerOf: (socket: Socket) => Duplex | undefined;
  /** Since when a socket that speaks HTTP has no request; undefined while it has one. */
  readonly idleOf: (socket: Duplex) => Idle | undefined;
}

interface Connection {
  readonly socket: Socket;
  readonly key: string;
  readonly sinceMs: number;
}

/** The connections that a server has. */
export interface Connections {
  destroy(): void;
}

/**
 * Passes connections on to the server up to its limits. At a limit, the connection that has been idle for longest makes
 * room; where none is idle, the new one gets a 503, where an answer can be read, and is closed.
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
  // Node's own listeners move behind this one, which does not pass every connection on.
  const serve = server.listeners('connection') as ((socket: Socket) => void)[];
  server.removeAllListeners('connection');
  const { accept = (socket) => socket } = hooks;
  server.on('connection', (accepted: Socket) => {
    const socket = accept(accepted);
    // An error without a listener would end the process.
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
  return new CairnError('server-busy', `${whose} has as many connections as the limit allows`, {
    details: { limit },
  });
}
