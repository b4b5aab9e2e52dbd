/**
 * How an issuer of tokens is asked: as any server is, through the proxy of the environment, with the user's authority. undici
 * makes these requests; its reader is never paused, since a connection that ends meanwhile ends its process (undici issue 5360).
 */
import type * as NodeTls from 'node:tls';
import type { ClientTls, Proxy } from '../api/reach.ts';
import type { Client, Dispatcher } from 'undici';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import { targetOf } from './connecting.ts';
import { connectorOf } from './connection-pool.ts';
import { isForwarded, proxyFor } from './proxy.ts';

/** What {@link issuerFetchOver} goes by. */
export interface IssuerWay {
  /** Names the proxy. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whose authorities are trusted beside the usual ones. A certificate in it is for the server, and not shown. */
  readonly tls: ClientTls | undefined;
}

/** An answer is collected whole; a longer one ends its connection. */
const MAX_ANSWER_BYTES = 1024 * 1024;

/** Makes a fetch for issuers. Each request has a connection of its own, which ends with the answer. */
export function issuerFetchOver({ environment, tls }: IssuerWay): IssuerFetch {
  const authorities = tls === undefined ? undefined : authoritiesOf(tls);
  return async (url, { method = 'GET', headers = {}, body, signal }) => {
    const proxy = proxyFor(url, environment);
    const client = await openClient(url, authorities, proxy);
    // A form is written, and called, as fetch does it.
    const sent = new Response(body ?? null);
    const all = new Headers(sent.headers);
    for (const [name, value] of Object.entries(headers)) all.set(name, value);
    try {
      return await dispatch(client, signal ?? undefined, {
        method,
        headers: { ...Object.fromEntries(all), ...forwarded(url, proxy) },
        path: isForwarded(url, proxy) ? url.href : `${url.pathname}${url.search}`,
        body: sent.body === null ? null : Buffer.from(await sent.arrayBuffer()),
      });
    } finally {
      await client.destroy();
    }
  };
}

async function openClient(url: URL, tls: ClientTls | undefined, proxy: Proxy | undefined): Promise<Client> {
  // Loaded when an issuer is asked, which most commands never do.
  const { Client: UndiciClient } = await import('undici');
  const connect = connectorOf(url.origin, url.origin, { tls, proxy });
  const target = targetOf(isForwarded(url, proxy) ? proxy.url : url);
  return new UndiciClient(url.origin, {
    allowH2: false,
    connect: (_options, done) =>
      connect(target, (...[error, socket]) => {
        if (error === null) done(null, socket);
        else done(error, null);
      }),
  });
}

function forwarded(url: URL, proxy: Proxy | undefined): Record<string, string> {
  if (!isForwarded(url, proxy) || proxy.authorization === undefined) return {};
  return { 'proxy-authorization': proxy.authorization };
}

function dispatch(
  client: Client,
  signal: AbortSignal | undefined,
  request: Dispatcher.DispatchOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    let bytes = 0;
    let status = 0;
    let type: string | undefined;
    let abort: (() => void) | undefined;
    client.dispatch(request, {
      onRequestStart: (controller) => {
        abort = () => controller.abort(signal?.reason as Error);
        if (signal?.aborted === true) abort();
        signal?.addEventListener('abort', abort, { once: true });
      },
      onResponseStart: (_controller, statusCode, headers) => {
        status = statusCode;
        const said = headers['content-type'];
        type = Array.isArray(said) ? said[0] : said;
      },
      onResponseData: (controller, piece) => {
        bytes += piece.byteLength;
        if (bytes > MAX_ANSWER_BYTES)
          controller.abort(new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`));
        else pieces.push(piece);
      },
      onResponseEnd: () => {
        if (abort !== undefined) signal?.removeEventListener('abort', abort);
        // A status without a body may not be given one.
        const body = [204, 205, 304].includes(status) ? null : Buffer.concat(pieces);
        resolve(
          new Response(body, {
            status,
            ...(type === undefined ? {} : { headers: { 'content-type': type } }),
          }),
        );
      },
      onResponseError: (_controller, error) => reject(error),
    });
  });
}

/** The user's authority may be for the server alone: that of an issuer may be one that everybody trusts. */
function authoritiesOf(tls: ClientTls): ClientTls {
  return async () => {
    const { ca } = await tls();
    const all = ca === undefined ? undefined : [...(await usualAuthorities()), ca].join('\n');
    return { ca: all, cert: undefined, key: undefined };
  };
}

/** Node before 22.15 cannot say which it takes for an environment like this one, only which it brings. */
async function usualAuthorities(): Promise<readonly string[]> {
  // Loaded for an issuer, which most commands never ask.
  const {
    getCACertificates,
    rootCertificates,
  }: typeof NodeTls & {
    getCACertificates?: (type: 'default') => string[];
  } = await import('node:tls');
  return getCACertificates?.('default') ?? rootCertificates;
}
