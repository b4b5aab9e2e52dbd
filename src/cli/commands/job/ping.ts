/** Tells a monitor that a job has begun or ended, as healthchecks.io and its kin are told. It never fails a job. */
import type { Socket } from 'node:net';
import { connectorOf } from '../../../client/http/connection-pool.ts';
import { targetOf } from '../../../client/http/connecting.ts';
import { requestOver } from '../../../client/http/http-socket.ts';
import { isForwarded, proxyFor } from '../../../client/http/proxy.ts';
import { unlessAborted } from '../../../base/abort-signals.ts';
import { clientTls } from '../../access/client-tls.ts';
import { VERSION } from '../../process/cairn-version.ts';

/** A monitor delays a job by so much at most, at its beginning and at its end. */
const PING_MS = 5000;

/**
 * Asks for `URL/start` or `URL/EXIT`; answers why that failed, without the path of the URL, which may be a secret. What the
 * monitor answers beyond its status is not read, and no redirect is followed.
 */
export async function ping(base: URL, what: string, timeoutMs = PING_MS): Promise<string | undefined> {
  const url = new URL(base);
  url.pathname = `${base.pathname.replace(/\/$/, '')}/${what}`;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const status = await statusOf(url, signal);
    return status >= 200 && status < 300 ? undefined : `it answered with status ${status}`;
  } catch (error) {
    if (signal.aborted) return `it has not answered within ${timeoutMs / 1000} seconds`;
    return error instanceof Error ? error.message : String(error);
  }
}

async function statusOf(url: URL, signal: AbortSignal): Promise<number> {
  const { env } = process;
  const proxy = proxyFor(url, env);
  const { tls } = clientTls({}, env);
  const connect = connectorOf(url.origin, url.host, { tls, proxy });
  const opened = new Promise<Socket>((done, fail) => {
    connect(targetOf(isForwarded(url, proxy) ? proxy.url : url), (...[error, socket]) => {
      if (error !== null) fail(error);
      else if (signal.aborted) socket.destroy();
      else done(socket);
    });
  });
  const socket = await unlessAborted(opened, signal);
  try {
    const credentials = isForwarded(url, proxy) ? proxy.authorization : undefined;
    const answer = await requestOver(
      socket,
      {
        method: 'GET',
        path: isForwarded(url, proxy) ? url.href : `${url.pathname}${url.search}`,
        headers: {
          'host': url.host,
          'user-agent': `cairn/${VERSION}`,
          'connection': 'close',
          ...(credentials === undefined ? {} : { 'proxy-authorization': credentials }),
        },
        signal,
      },
      () => undefined,
    );
    return answer.status;
  } finally {
    socket.destroy();
  }
}
