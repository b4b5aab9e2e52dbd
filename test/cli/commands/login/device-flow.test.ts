import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import { beginDeviceFlow } from '../../../../src/cli/commands/login/device-flow.ts';
import { openIssuer, refreshTokens, type Tokens } from '../../../../src/cli/access/issuer.ts';

type Answer = (body: URLSearchParams, url: string) => object | ((response: ServerResponse) => void);

const DEVICE = {
  device_code: 'device',
  user_code: 'ABCD-EFGH',
  verification_uri: 'https://login.example.com/device',
  expires_in: 600,
  interval: 1,
};
const TOKENS = { access_token: 'access', token_type: 'Bearer', expires_in: 60 };

/** An issuer of which a test decides what it answers, and what it was asked. */
async function startHandMade(
  answers: { device?: Answer; token?: Answer; metadata?: (url: string) => object } = {},
): Promise<{ url: string; asked: { path: string; body: URLSearchParams }[] }> {
  const asked: { path: string; body: URLSearchParams }[] = [];
  const { device = () => DEVICE, token = () => TOKENS, metadata = () => ({}) } = answers;
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (bytes: Buffer) => (text += bytes.toString()));
    request.on('end', () => {
      const path = request.url!;
      const body = new URLSearchParams(text);
      asked.push({ path, body });
      const known = {
        issuer: url,
        device_authorization_endpoint: `${url}/device`,
        token_endpoint: `${url}/token`,
        ...metadata(url),
      };
      const answer = path === '/device' ? device(body, url) : path === '/token' ? token(body, url) : known;
      if (typeof answer === 'function') (answer as (response: ServerResponse) => void)(response);
      else {
        const { status = 200, ...rest } = answer as { status?: number };
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(rest));
      }
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked };
}

async function logIn(url: string, signal?: AbortSignal): Promise<Tokens> {
  const issuer = await openIssuer({ issuer: url, clientId: 'cairn-cli', audience: 'https://files', signal });
  return (await beginDeviceFlow(issuer, ['openid', 'cairn:read'])).approved();
}

/** The error that a login ends with, which must be fit for a terminal. */
async function failureOf(work: Promise<unknown>): Promise<CairnError> {
  const error = await work.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  if (!(error instanceof CairnError)) throw new Error(`no CairnError: ${String(error)}`);
  // oxlint-disable-next-line no-control-regex -- finding them is the purpose
  expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  return error;
}

describe('the device flow', () => {
  test('the device flow asks for the audience and the scopes, as the named client', async () => {
    const issuer = await startHandMade();
    const tokens = await logIn(issuer.url);
    expect(tokens).toMatchObject({ accessToken: 'access' });
    expect(tokens.expiresAtMs! - tokens.obtainedAtMs).toBe(60_000);
    const [, device, token] = issuer.asked.map(({ body }) => Object.fromEntries(body));
    const target = { client_id: 'cairn-cli', resource: 'https://files', audience: 'https://files' };
    expect(device).toEqual({ scope: 'openid cairn:read', ...target });
    expect(token).toMatchObject({ device_code: 'device', ...target });
  });

  test('the device flow waits as long as the issuer wants, and over an issuer that fails in between', async () => {
    const answers = [
      { status: 400, error: 'authorization_pending' },
      { status: 503, error: 'temporarily_unavailable' },
      TOKENS,
    ];
    const issuer = await startHandMade({ token: () => answers.shift()! });
    expect(await logIn(issuer.url)).toMatchObject({ accessToken: 'access' });
    expect(answers).toEqual([]);
  });

  test('the device flow ends when the login is not approved in time', async () => {
    const issuer = await startHandMade({
      device: () => ({ ...DEVICE, expires_in: 2 }),
      token: () => ({ status: 400, error: 'authorization_pending' }),
    });
    const error = await failureOf(logIn(issuer.url));
    expect([error.code, error.message]).toEqual([
      'login-failed',
      expect.stringContaining('in time') as string,
    ]);
  });

  test('the device flow ends at once with the reason of its signal', async () => {
    const issuer = await startHandMade({ device: () => ({ ...DEVICE, interval: 30 }) });
    const controller = new AbortController();
    const running = failureOf(logIn(issuer.url, controller.signal));
    setTimeout(() => controller.abort(new CairnError('interrupted', 'interrupted')), 300);
    expect((await running).code).toBe('interrupted');
  });

  test.each([
    ['a page without TLS', { verification_uri: 'http://login.example.com/device' }],
    ['a page that is a script', { verification_uri: 'javascript:alert(1)' }],
    ['a page that is a file', { verification_uri: 'file:///etc/passwd' }],
    ['a page with a password', { verification_uri: 'https://bank@evil.example' }],
    ['a page that is endless', { verification_uri: `https://x/${'x'.repeat(3000)}` }],
    ['a second page without TLS', { verification_uri_complete: 'http://evil.example' }],
    ['a code with an escape', { user_code: '\u001b[2J' }],
    ['a code with a new line', { user_code: 'A\nB' }],
    ['a code that is endless', { user_code: 'A'.repeat(1000) }],
    ['a code that turns the text round', { user_code: 'A\u202eB' }],
    ['no code', { user_code: undefined }],
    ['no time', { expires_in: undefined }],
  ])('the device flow refuses to show %s', async (_, changes) => {
    const issuer = await startHandMade({ device: () => ({ ...DEVICE, ...changes }) });
    expect((await failureOf(logIn(issuer.url))).code).toBe('login-failed');
    expect(issuer.asked.map(({ path }) => path)).not.toContain('/token');
  });

  test('the device flow shows a host that only looks like another one in its true form', async () => {
    const issuer = await startHandMade({
      device: () => ({ ...DEVICE, verification_uri: 'https://lоgin.example.com/a\u202eb' }),
    });
    const opened = await openIssuer({ issuer: issuer.url, clientId: 'c', audience: undefined });
    const { url } = await beginDeviceFlow(opened, []);
    expect(url).toBe('https://xn--lgin-55d.example.com/a%E2%80%AEb');
  });

  test.each([
    ['no bearer tokens', { token_type: 'DPoP' }],
    ['a token with a new line', { access_token: 'a\r\nX: y' }],
    ['a token that is endless', { access_token: 'a'.repeat(20_000) }],
    ['a refresh token with a blank', { refresh_token: 'a b' }],
  ])('the device flow refuses an answer with %s', async (_, changes) => {
    const issuer = await startHandMade({ token: () => ({ ...TOKENS, ...changes }) });
    expect((await failureOf(logIn(issuer.url))).code).toBe('login-failed');
  });
});

describe('issuers', () => {
  test.each<[string, (url: string) => object, string]>([
    ['calls itself something else', () => ({ issuer: 'https://other' }), 'login-failed'],
    ['has no device flow', () => ({ device_authorization_endpoint: undefined }), 'login-failed'],
    [
      'wants to be asked without TLS',
      () => ({ device_authorization_endpoint: 'http://192.0.2.1/d' }),
      'login-failed',
    ],
  ])('an issuer that %s is asked nothing more', async (_, metadata, code) => {
    const issuer = await startHandMade({ metadata });
    expect((await failureOf(logIn(issuer.url))).code).toBe(code);
    expect(issuer.asked.length).toBe(1);
  });

  test('an issuer that redirects is not followed with a token', async () => {
    const issuer = await startHandMade({
      token: () => (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
    });
    const opened = await openIssuer({ issuer: issuer.url, clientId: 'c', audience: undefined });
    expect((await failureOf(refreshTokens(opened, 'the-refresh-token'))).code).toBe('login-failed');
    expect(issuer.asked.map(({ path }) => path)).not.toContain('/elsewhere');
  });

  test('an issuer that answers without an end is cut off', async () => {
    const issuer = await startHandMade({
      token: () => (response) => {
        response.writeHead(200, { 'content-type': 'application/json' });
        const more = (): void => {
          while (!response.destroyed && response.write('x'.repeat(65_536))) continue;
        };
        response.on('drain', more);
        more();
      },
    });
    const opened = await openIssuer({ issuer: issuer.url, clientId: 'c', audience: undefined });
    expect((await failureOf(refreshTokens(opened, 'refresh'))).code).toBe('issuer-unavailable');
  });

  test('an issuer that quotes a refresh token does not get it into the error', async () => {
    const secret = 'the-refresh-token-of-somebody-0123456789';
    const issuer = await startHandMade({
      token: () => ({ status: 400, error: 'invalid_grant', error_description: `bad\u001b[2J ${secret}` }),
    });
    const opened = await openIssuer({ issuer: issuer.url, clientId: 'c', audience: undefined });
    const error = await failureOf(refreshTokens(opened, secret));
    expect(error.details).toEqual({ oauthError: 'invalid_grant' });
    expect(error.message).not.toContain(secret);
    expect(error.cause).toBeUndefined();
  });

  test('an issuer that cannot be reached counts as away', async () => {
    const error = await failureOf(
      openIssuer({ issuer: 'http://127.0.0.1:9', clientId: 'c', audience: undefined }),
    );
    expect(error.code).toBe('issuer-unavailable');
  });

  test.each(['http://login.example.com', 'javascript:x', 'https://a:b@x', 'https://x/?q', ''])(
    'the URL %j of an issuer is refused',
    async (issuer) => {
      const error = await failureOf(openIssuer({ issuer, clientId: 'c', audience: undefined }));
      expect(error.code).toBe('login-failed');
    },
  );
});
