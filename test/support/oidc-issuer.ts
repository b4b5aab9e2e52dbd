/** A real OpenID Connect provider in this process, and somebody with a browser who approves a login. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type importJWK, type JWK, type JWTPayload } from 'jose';
import { Agent, fetch } from 'undici';
import { onTestFinished, vi } from 'vitest';
import type { Issued } from './certificates.ts';

/** Whom its access tokens are for. */
export const AUDIENCE = 'https://files.example.com';
/** The client that may use the device flow. */
export const CLIENT_ID = 'cairn-cli';

/** A provider that listens. */
export interface TestIssuer {
  /** Its name. */
  readonly url: string;
  /** What it was asked, `GET /path`, in order. */
  readonly asked: string[];
  /** Signs claims with the key that it publishes; `header` may say otherwise. */
  sign(claims: JWTPayload, header?: Record<string, unknown>): Promise<string>;
  /** Its public key. */
  readonly publicKey: JWK;
  /** Goes to the page of the device flow and approves, as a user with a browser does. */
  approve(verificationUrl: string, user?: string): Promise<void>;
  /** Goes there and says no. */
  deny(verificationUrl: string): Promise<void>;
  /** Ends, so that nobody answers any more. */
  stop(): Promise<void>;
  /** Listens again, at the same address, with what it knew. */
  start(): Promise<void>;
  /** How many refreshes it has answered. */
  refreshes(): number;
}

/** How {@link startIssuer} behaves. */
export interface IssuerOptions {
  readonly accessTokenSeconds?: number;
  readonly scopes?: string;
  /** Speaks TLS with this, which its users have learnt to trust. */
  readonly certificate?: Issued;
}

/** Claims of a good access token. */
export function claimsOf(issuer: { readonly url: string }, changes: JWTPayload = {}): JWTPayload {
  const now = Math.floor(Date.now() / 1000);
  return {
    iss: issuer.url,
    aud: AUDIENCE,
    sub: 'alice',
    scope: 'cairn:read cairn:write cairn:list',
    iat: now,
    exp: now + 60,
    jti: 'one',
    ...changes,
  };
}

/** Starts a provider on a port of the loopback interface. It ends with the test. */
export async function startIssuer(options: IssuerOptions = {}): Promise<TestIssuer> {
  const asked: string[] = [];
  let refreshes = 0;
  let handler: RequestListener = () => undefined;
  const onRequest: RequestListener = (request, response) => {
    asked.push(`${request.method} ${new URL(request.url ?? '/', 'http://x').pathname}`);
    handler(request, response);
  };
  const { certificate } = options;
  const server =
    certificate === undefined ? createServer(onRequest) : createSecureServer({ ...certificate }, onRequest);
  const port = await listen(server, 0);
  const url = `${certificate === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
  const provider = await createProvider(url, { ...(await exportJWK(privateKey)), kid: 'first' }, options);
  provider.on('grant.success', (ctx) => {
    if (ctx.oidc.params?.['grant_type'] === 'refresh_token') refreshes += 1;
  });
  const answer = provider.callback();
  handler = (request, response) => void answer(request, response);
  const stop = async (): Promise<void> => {
    server.closeAllConnections();
    if (server.listening) await new Promise((done) => server.close(done));
  };
  onTestFinished(stop);
  return {
    url,
    asked,
    publicKey: { ...(await exportJWK(publicKey)), kid: 'first' },
    sign: (claims, header) => sign(privateKey, claims, header),
    approve: (verificationUrl, user = 'alice') => approve(verificationUrl, user),
    deny: (verificationUrl) => approve(verificationUrl, 'nobody', 'deny'),
    stop,
    start: async () => void (await listen(server, port)),
    refreshes: () => refreshes,
  };
}

type Key = Awaited<ReturnType<typeof importJWK>>;

/** Signs claims with any key, as an access token of RFC 9068 unless `header` says otherwise. */
export function sign(key: Key, claims: JWTPayload, header: Record<string, unknown> = {}): Promise<string> {
  return new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', kid: 'first', ...header })
    .sign(key);
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function createProvider(url: string, key: JWK, options: IssuerOptions) {
  const { accessTokenSeconds = 60, scopes = 'cairn:read cairn:write cairn:list' } = options;
  // It warns of a Node that it was not made for, and of its own pages for development.
  const quiet = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'info')];
  for (const spy of quiet) {
    spy.mockImplementation(() => undefined);
    onTestFinished(() => spy.mockRestore());
  }
  const { Provider } = await import('oidc-provider');
  const provider = new Provider(url, {
    jwks: { keys: [key] },
    clients: [
      {
        client_id: CLIENT_ID,
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        response_types: [],
        redirect_uris: [],
      },
    ],
    cookies: { keys: ['a key of a test'] },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
    issueRefreshToken: async () => true,
    rotateRefreshToken: true,
    ttl: {
      AccessToken: accessTokenSeconds,
      RefreshToken: 3600,
      DeviceCode: 600,
      Grant: 3600,
      Session: 3600,
      Interaction: 600,
      IdToken: 60,
    },
    features: {
      devInteractions: { enabled: true },
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          scope: scopes,
          audience: resource,
          accessTokenTTL: accessTokenSeconds,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  return provider;
}

const anyCertificate = new Agent({ connect: { rejectUnauthorized: false } });

/** Follows redirects and sends forms, with a name where one is asked for, until there is none left. */
async function approve(verificationUrl: string, user: string, wish = 'approve'): Promise<void> {
  const cookies = new Map<string, string>();
  let next: { url: string; body?: URLSearchParams } = { url: verificationUrl };
  for (let step = 0; step < 20; step += 1) {
    const response = await fetch(next.url, {
      method: next.body === undefined ? 'GET' : 'POST',
      ...(next.body === undefined ? {} : { body: next.body }),
      redirect: 'manual',
      // It is the issuer that is tried here, and what cairn trusts.
      dispatcher: anyCertificate,
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      if (value === '') cookies.delete(name);
      else cookies.set(name, value);
    }
    const page = await response.text();
    const location = response.headers.get('location');
    if (location !== null) {
      next = { url: new URL(location, next.url).href };
      continue;
    }
    if (wish === 'deny' && page.includes('was interrupted')) return;
    if (response.status >= 400) throw new Error(`HTTP ${response.status} of ${next.url}: ${page}`);
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1];
    if (action === undefined) {
      if (page.includes('Sign-in Success')) return;
      throw new Error(`no form and no success: ${page}`);
    }
    const body = fieldsOf(page, user);
    if (wish === 'deny' && body.has('confirm')) body.set('abort', 'yes');
    next = { url: new URL(action, next.url).href, body };
  }
  throw new Error('the login has no end');
}

function fieldsOf(page: string, user: string): URLSearchParams {
  const fields = new URLSearchParams();
  for (const [input] of page.matchAll(/<input[^>]*>/g)) {
    const name = /name="([^"]+)"/.exec(input)?.[1];
    if (name === undefined) continue;
    fields.set(name, /value="([^"]*)"/.exec(input)?.[1] ?? user);
  }
  return fields;
}
