/** The sockets below {@link Connection}: how they are made, and when a silent one is given up. */
import type { Socket } from 'node:net';
import type { ClientTls, SocketGuard, Proxy } from '../api/reach.ts';
import { CairnError } from '../../base/errors.ts';
import { watchReader, type ReaderPace } from '../../base/unsent.ts';
import { handshakeError, networkError } from './connection-error.ts';
import { targetOf, type Connect, type Done, type Target } from './connecting.ts';
import type { TunnelOptions } from './connection-tunnel.ts';
import { plainConnector } from './http-socket.ts';
import { shownProxy } from './proxy.ts';
import { keepReady } from './ready-sockets.ts';
import { createSocketPool, type SocketPool } from './socket-pool.ts';
import { endsOf, unconfirmedBytes, type SocketEnds } from './unconfirmed.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** A proxy may itself wait for its own connection. */
const TUNNEL_TIMEOUT_MS = 30_000;

/** How a pool reaches its origin. */
export interface PoolOptions {
  readonly connections: number;
  /** How slowly the server may take a request. */
  readonly pace: ReaderPace;
  /** A socket on which no byte moves for so long is given up. */
  readonly silenceMs: number;
  /** Asked of each socket whether it may be used; every one may, where undefined. */
  readonly guard?: SocketGuard | undefined;
  /** What https is spoken with; Node's own authorities and no certificate, where undefined. */
  readonly tls?: ClientTls | undefined;
  /** Whom to go through. */
  readonly proxy?: Proxy | undefined;
}

/** Sockets to one origin. */
export interface OriginSockets extends SocketPool {
  /** How long the last one took to open, in milliseconds; undefined before the first. */
  readonly connectMs: number | undefined;
  /** Bytes that its sockets were given and the other side has not confirmed; undefined where the system does not tell. */
  unconfirmedBytes(): Promise<number | undefined>;
  /** Opens so many more that will be needed soon. */
  openAhead(count: number): void;
}

/**
 * At most `connections` sockets to an origin. A socket on which no byte moves for half a minute is broken: one watch over
 * the socket itself, since a watch over the answer only would end a slow upload.
 *
 * Through a proxy, https has a tunnel for each socket; for http the sockets are the proxy's, and requests name the whole
 * URL.
 */
export function openSockets(origin: string, options: PoolOptions): OriginSockets {
  const { proxy, connections } = options;
  const peer = proxy === undefined ? origin : `${origin} (through ${shownProxy(proxy)})`;
  let connectMs: number | undefined;
  const timed = timing(connectorOf(origin, peer, options), (tookMs) => (connectMs = tookMs));
  const connected = new Set<SocketEnds>();
  const ready = keepReady(guarded(watched(timed, peer, options, connected), options.guard));
  const target = targetOf(proxy !== undefined && origin.startsWith('http:') ? proxy.url : new URL(origin));
  const pool = createSocketPool(() => opened(ready.connect, target), connections);
  return {
    ...pool,
    get connectMs() {
      return connectMs;
    },
    unconfirmedBytes: () => unconfirmedBytes(connected),
    openAhead: ready.openAhead,
    closeIdle: () => ready.closeIdle() + pool.closeIdle(),
    close: () => {
      ready.close();
      pool.close();
    },
  };
}

function opened(connect: Connect, target: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connect(target, (...[error, socket]) => {
      if (error === null) resolve(socket);
      else reject(error);
    });
  });
}

function timing(connect: Connect, onConnected: (tookMs: number) => void): Connect {
  return (target, done) => {
    const beganMs = performance.now();
    connect(target, (...result) => {
      onConnected(performance.now() - beganMs);
      done(...result);
    });
  };
}

/** Sockets that the guard has let pass. */
function guarded(connect: Connect, guard: SocketGuard | undefined): Connect {
  if (guard === undefined) return connect;
  const look = async (socket: Socket, done: Done): Promise<void> => {
    try {
      await guard(socket);
    } catch (error) {
      socket.destroy();
      done(error as Error, null);
      return;
    }
    done(null, socket);
  };
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error === null) void look(socket, done);
      else done(error, null);
    });
}

/** Sockets that are given up when they are silent for too long; `connected` has those that there are. */
function watched(
  connect: Connect,
  peer: string,
  { pace, silenceMs }: PoolOptions,
  connected: Set<SocketEnds>,
): Connect {
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        done(error, null);
        return;
      }
      socket.setTimeout(silenceMs);
      socket.on('timeout', () => {
        // What does not read is this side, which has its own reasons.
        if (socket.isPaused()) socket.setTimeout(silenceMs);
        else
          socket.destroy(
            new CairnError('timeout', `${peer} has been silent for ${silenceMs / 1000} seconds`),
          );
      });
      // Nor may it take a byte of the request now and then, for ever.
      const unwatch = watchReader(socket, pace, () => {
        socket.destroy(new CairnError('timeout', `${peer} takes less than ${pace.minRate} bytes a second`));
      });
      const ends = endsOf(socket);
      connected.add(ends);
      socket.once('close', () => {
        connected.delete(ends);
        unwatch();
      });
      done(null, socket);
    });
}

/** Opens sockets to an origin, through the proxy where there is one; `peer` is what errors call the other side. */
export function connectorOf(
  origin: string,
  peer: string,
  { tls, proxy }: Pick<PoolOptions, 'tls' | 'proxy'>,
): Connect {
  const isSecure = origin.startsWith('https:');
  if (proxy === undefined) {
    return isSecure ? secured(peer, tls) : plainConnector(CONNECT_TIMEOUT_MS);
  }
  const toProxy = proxyConnector(proxy);
  if (!isSecure) return failingAs(toProxy, shownProxy(proxy));
  const secure = secured(peer, tls);
  const { host, port } = new URL(origin);
  const tunnel = { proxy, authority: port === '' ? `${host}:443` : host, connect: toProxy };
  return (target, done) => void connectThrough(tunnel, secure, target, done);
}

async function connectThrough(
  tunnel: Omit<TunnelOptions, 'timeoutMs'>,
  secure: Connect,
  target: Target,
  done: Done,
): Promise<void> {
  let httpSocket: Socket;
  try {
    const { openTunnel } = await import('./connection-tunnel.ts');
    httpSocket = await openTunnel({ ...tunnel, timeoutMs: TUNNEL_TIMEOUT_MS });
  } catch (error) {
    done(error as Error, null);
    return;
  }
  secure({ ...target, httpSocket }, done);
}

/** To the proxy itself. The user's own authority and certificate are for the server, and not shown to it. */
function proxyConnector(proxy: Proxy): Connect {
  return proxy.url.protocol === 'https:'
    ? secured(shownProxy(proxy), undefined)
    : plainConnector(CONNECT_TIMEOUT_MS);
}

function failingAs(connect: Connect, peer: string): Connect {
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error === null) done(null, socket);
      else done(networkError(error, peer), null);
    });
}

/** Where TLS was once spoken, what breaks a later handshake is the network. */
function secured(peer: string, tls: ClientTls | undefined): Connect {
  let connect: Connect | undefined;
  let wasSecure = false;
  const open = async (target: Target, done: Done): Promise<void> => {
    try {
      // Loaded when it is spoken: a short run over plain http would wait for it.
      const { tlsConnector } = await import('./connection-tls.ts');
      connect ??= tlsConnector({ peer, tls, timeoutMs: CONNECT_TIMEOUT_MS });
    } catch (error) {
      done(error as Error, null);
      return;
    }
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        done(wasSecure ? error : handshakeError(error, peer), null);
        return;
      }
      wasSecure = true;
      done(null, socket);
    });
  };
  return (target, done) => void open(target, done);
}
