/** Tunnels through an HTTP proxy (RFC 9110, section 9.3.6), by which a client speaks TLS with its server itself. */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import type { Proxy } from '../api/reach.ts';
import { CairnError } from '../../base/errors.ts';
import { networkError } from './connection-error.ts';
import { closedSilently, targetOf, type Connect } from './connecting.ts';
import { proxyWantsCredentials, shownProxy } from './proxy.ts';

/** How {@link openTunnel} gets there. */
export interface TunnelOptions {
  readonly proxy: Proxy;
  /** The other end, as HOST:PORT. */
  readonly authority: string;
  /** Connects to the proxy itself. */
  readonly connect: Connect;
  readonly timeoutMs: number;
}

/** A socket to the other end. @throws CairnError `proxy-refused`, `network`, `timeout`, `not-a-cairn-server` */
export async function openTunnel(options: TunnelOptions): Promise<Socket> {
  const { proxy, authority, timeoutMs } = options;
  const socket = await connectToProxy(options);
  const headers = {
    Host: authority,
    ...(proxy.authorization === undefined ? {} : { 'Proxy-Authorization': proxy.authorization }),
  };
  return new Promise((resolve, reject) => {
    const asking = request({ method: 'CONNECT', path: authority, headers, createConnection: () => socket });
    let isSettled = false;
    const fail = (error: Error): void => {
      if (isSettled) return;
      isSettled = true;
      clearTimeout(timer);
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const timer = setTimeout(() => fail(silent(proxy, timeoutMs)), timeoutMs);
    asking.on('error', (error) => fail(networkError(error, shownProxy(proxy))));
    asking.once('response', ({ statusCode = 0 }) => fail(refusal(proxy, statusCode, authority)));
    asking.once('connect', ({ statusCode = 0 }, tunnel, head) => {
      if (statusCode < 200 || statusCode > 299) {
        fail(refusal(proxy, statusCode, authority));
        return;
      }
      isSettled = true;
      clearTimeout(timer);
      if (head.length > 0) tunnel.unshift(head);
      resolve(tunnel);
    });
    // Also after an answer that none of these is.
    asking.once('close', () => fail(networkError(closedSilently(), shownProxy(proxy))));
    asking.end();
  });
}

function connectToProxy({ proxy, connect }: TunnelOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    connect(targetOf(proxy.url), (...[error, socket]) => {
      if (error === null) resolve(socket);
      else reject(networkError(error, shownProxy(proxy)));
    });
  });
}

/** What a proxy means that opens no tunnel. */
function refusal(proxy: Proxy, status: number, authority: string): CairnError {
  if (status === 407) return proxyWantsCredentials(proxy);
  const details = { status };
  const message = `${shownProxy(proxy)} opens no connection to ${authority} (HTTP status ${status})`;
  // It stands in for a server that is away, or is too busy itself.
  if (status >= 500 || status === 429) return new CairnError('network', message, { details });
  const advice = 'the proxy does not allow that; ask its administrator, or exclude the server with NO_PROXY';
  return new CairnError('proxy-refused', `${message}: ${advice}`, { details });
}

function silent(proxy: Proxy, timeoutMs: number): CairnError {
  return new CairnError('timeout', `${shownProxy(proxy)} has not answered for ${timeoutMs / 1000} seconds`);
}
