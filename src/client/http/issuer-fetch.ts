/** How an issuer of tokens is asked: as any server is, through the proxy of the environment, with the user's authority. */
import * as nodeTls from 'node:tls';
import type { IssuerFetch } from '../../base/issuer-fetch.ts';
import type { ClientTls } from '../options.ts';
import { openConnection, type Connection } from './connection.ts';
import type { HttpRequest, RequestBody } from './http-message.ts';
import { proxyFor } from './proxy.ts';

/** What {@link issuerFetchOver} goes by. */
export interface IssuerWay {
  /** Names the proxy. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Whose authorities are trusted beside the usual ones. A certificate in it is for the server, and not shown. */
  readonly tls: ClientTls | undefined;
}

/** Makes a fetch for issuers. Each request has a connection of its own, which ends with the answer. */
export function issuerFetchOver({ environment, tls }: IssuerWay): IssuerFetch {
  const authorities = tls === undefined ? undefined : authoritiesOf(tls);
  return async (url, { method = 'GET', headers = {}, body, signal }) => {
    const proxy = proxyFor(url, environment);
    const connection = await openConnection(url, { connections: 1, tls: authorities, proxy });
    try {
      const sent = body === undefined || body === null ? undefined : bodyOf(body, headers);
      const response = await connection.exchange({
        method: method as HttpRequest['method'],
        url,
        headers: withoutType(headers),
        ...(sent === undefined ? {} : { body: sent }),
        signal: signal ?? undefined,
      });
      const { status } = response;
      const type = response.header('content-type');
      const told = { status, headers: type === undefined ? {} : { 'content-type': type } };
      // A status without a body may not be given one.
      if ([204, 205, 304].includes(status)) {
        await connection.close();
        return new Response(null, told);
      }
      return new Response(ReadableStream.from(closing(response.body, connection)), told);
    } catch (error) {
      await connection.close();
      throw error;
    }
  };
}

/** The user's authority may be for the server alone: that of an issuer may be one that everybody trusts. */
function authoritiesOf(tls: ClientTls): ClientTls {
  return async () => {
    const { ca } = await tls();
    const all = ca === undefined ? undefined : [...usualAuthorities(), ca].join('\n');
    return { ca: all, cert: undefined, key: undefined };
  };
}

/** Node before 22.15 cannot say which it takes for an environment like this one, only which it brings. */
function usualAuthorities(): readonly string[] {
  const { getCACertificates, rootCertificates } = nodeTls as typeof nodeTls & {
    getCACertificates?: (type: 'default') => string[];
  };
  return getCACertificates?.('default') ?? rootCertificates;
}

async function* closing(body: AsyncIterable<Uint8Array>, connection: Connection): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } finally {
    await connection.close();
  }
}

/** What is asked of an issuer is a form, or nothing. */
function bodyOf(
  body: NonNullable<RequestInit['body']>,
  headers: Readonly<Record<string, string>>,
): RequestBody {
  const isForm = body instanceof URLSearchParams;
  const bytes = Buffer.from(isForm ? body.toString() : (body as string | Uint8Array));
  const said = Object.entries(headers).find(([name]) => name.toLowerCase() === 'content-type')?.[1];
  const type = said ?? (isForm ? 'application/x-www-form-urlencoded;charset=UTF-8' : 'text/plain');
  return { type, lengthBytes: bytes.byteLength, pieces: [bytes] };
}

function withoutType(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'content-type'),
  );
}
