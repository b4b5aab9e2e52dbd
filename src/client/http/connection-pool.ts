/** The pool of sockets below {@link Connection}: how they are made, and when a silent one is given up. */
import type { Socket } from 'node:net';
import { buildConnector, Pool } from 'undici';
import { CairnError } from '../../base/errors.ts';
import { handshakeError, networkError } from './connection-error.ts';
import { tlsConnector, type Done, type Target } from './connection-tls.ts';
import type { TunnelOptions } from './connection-tunnel.ts';
import type { ClientTls } from '../options.ts';
import { shownProxy, type Proxy } from './proxy.ts';
import { watchReader, type ReaderPace } from '../../base/unsent.ts';
import { keepReady, type Connect } from './ready-sockets.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** A proxy may itself wait for its own connection. */
const TUNNEL_TIMEOUT_MS = 30_000;
/** Longest silence on a socket in both directions, unless somebody wants to see a longer one. */
const IDLE_TIMEOUT_MS = 30_000;

/** How a pool reaches its origin. */
export interface PoolOptions {
  readonly connections: number;
  /** How slow the server may be with what is sent. */
  readonly pace: ReaderPace;
  /** A socket on which no byte moves for so long is given up; half a minute, where undefined. */
  readonly silenceMs?: number | undefined;
  /** What https is spoken with; Node's own authorities and no certificate, where undefined. */
  readonly tls?: ClientTls | undefined;
  /** Whom to go through. */
  readonly proxy?: Proxy | undefined;
}

/** Sockets to one origin. */
export interface SocketPool {
  readonly pool: Pool;
  /** How long the last one took to open, in milliseconds; undefined before the first. */
  readonly connectMs: number | undefined;
  /** Opens so many more that the pool will need soon. */
  openAhead(count: number): void;
  /** Ends all of them at once. */
  close(): Promise<void>;
}

/**
 * A pool of at most `connections` sockets. A socket on which no byte moves for half a minute is broken: one watch over
 * the socket itself, since undici's own clocks look at the response only and would end a slow upload.
 *
 * Through a proxy, https has a tunnel for each socket; for http the sockets are the proxy's, and requests name the whole
 * URL.
 */
export function openPool(origin: string, options: PoolOptions): SocketPool {
  const peer = options.proxy === undefined ? origin : `${origin} (through ${shownProxy(options.proxy)})`;
  let connectMs: number | undefined;
  const timed = timing(connectorOf(origin, peer, options), (tookMs) => (connectMs = tookMs));
  const ready = keepReady(watched(timed, peer, options));
  const isForwarded = options.proxy !== undefined && origin.startsWith('http:');
  const pool = new Pool(isForwarded ? options.proxy.url.origin : origin, {
    allowH2: false,
    connections: options.connections,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: ready.connect,
  });
  return {
    pool,
    get connectMs() {
      return connectMs;
    },
    openAhead: ready.openAhead,
    close: () => {
      ready.close();
      return pool.destroy();
    },
  };
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

/** Sockets that are given up when they are silent for too long. */
function watched(
  connect: Connect,
  peer: string,
  { pace, silenceMs = IDLE_TIMEOUT_MS }: PoolOptions,
): Connect {
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        done(error, null);
        return;
      }
      socket.setTimeout(silenceMs, () => {
        socket.destroy(new CairnError('timeout', `${peer} has been silent for ${silenceMs / 1000} seconds`));
      });
      // Nor may it take a byte now and then of what is sent, for ever.
      const unwatch = watchReader(socket, pace, () => {
        socket.destroy(new CairnError('timeout', `${peer} takes less than ${pace.minRate} bytes a second`));
      });
      socket.once('close', unwatch);
      done(null, socket);
    });
}

function connectorOf(origin: string, peer: string, { tls, proxy }: PoolOptions): Connect {
  const isSecure = origin.startsWith('https:');
  if (proxy === undefined) {
    return isSecure ? secured(peer, tls) : buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
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
    : buildConnector({ timeout: CONNECT_TIMEOUT_MS, allowH2: false });
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
  const connect = tlsConnector({ peer, tls, timeoutMs: CONNECT_TIMEOUT_MS });
  let wasSecure = false;
  return (target, done) =>
    connect(target, (...[error, socket]) => {
      if (error !== null) {
        done(wasSecure ? error : handshakeError(error, peer), null);
        return;
      }
      wasSecure = true;
      done(null, socket);
    });
}
