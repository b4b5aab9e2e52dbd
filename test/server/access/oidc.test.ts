import { createHmac, createPublicKey } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWTPayload } from 'jose';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import type { Authorization } from '../../../src/session/authorization.ts';
import type { Authenticator, Evidence } from '../../../src/server/access/authenticator.ts';
import { createOidc } from '../../../src/server/access/oidc.ts';
import { parseOidcConfig } from '../../../src/server/access/oidc-config.ts';
import { COOLDOWN_MS, createIssuerKeys } from '../../../src/server/access/oidc-keys.ts';
import { AUDIENCE, claimsOf, sign, startIssuer, type TestIssuer } from '../../support/oidc-issuer.ts';

const LOG: string[] = [];
const note = (fields: object, message: string): void => void LOG.push(`${message} ${JSON.stringify(fields)}`);
const log = { debug: note, info: note, warn: note, error: note };

const bearer = (token: string): Evidence => ({ bearer: token });

function authenticatorOf(issuer: { url: string }, config: object = {}, now?: () => number): Authenticator {
  return createOidc({
    issuer: issuer.url,
    audience: AUDIENCE,
    config: parseOidcConfig(JSON.stringify(config), 'test'),
    log,
    ...(now === undefined ? {} : { now }),
  });
}

/** What a token allows, or the error that refuses it, which must not tell the token. */
async function ask(
  oidc: Authenticator,
  token: string,
): Promise<Authorization | { code: string; message: string } | undefined> {
  try {
    return await oidc.authenticate(bearer(token));
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    for (const part of token.split('.').filter((text) => text.length > 8)) {
      expect(error.message).not.toContain(part);
      expect(String(error.cause)).not.toContain(part);
    }
    return { code: error.code, message: error.message };
  }
}

const now = (): number => Math.floor(Date.now() / 1000);

describe('access tokens of an issuer', () => {
  test('an access token of the issuer gives the principal, the scopes and the expiry', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const claims = claimsOf(issuer);
    const authorization = await ask(oidc, await issuer.sign(claims));
    expect(authorization).toEqual({
      id: expect.stringMatching(/^jwt:[\w-]{22}$/) as string,
      principal: `oidc:${new URL(issuer.url).host}#alice`,
      scopes: ['read', 'write', 'list'],
      pathPrefix: '',
      expiresAtMs: (claims.exp! + 30) * 1000,
    });
    expect(oidc.stands(authorization as Authorization)).toBe(true);
    expect(oidc.stands({ ...(authorization as Authorization), id: 'token:first' })).toBeUndefined();
  });

  test('an access token of the issuer has an id of its own, and the principal of its subject', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const [one, same, two, other] = (await Promise.all(
      [{}, {}, { jti: 'two' }, { sub: 'bob' }].map(async (changes) =>
        ask(oidc, await issuer.sign(claimsOf(issuer, changes))),
      ),
    )) as Authorization[];
    expect(same).toEqual(one);
    expect(two).toMatchObject({ principal: one!.principal });
    expect(two!.id).not.toBe(one!.id);
    expect(other!.id).not.toBe(one!.id);
    expect(other!.principal).not.toBe(one!.principal);
  });

  test('an access token of type "application/at+jwt" is accepted, and within the clock tolerance', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const late = claimsOf(issuer, { exp: now() - 10, nbf: now() + 10 });
    expect(await ask(oidc, await issuer.sign(late, { typ: 'application/AT+JWT' }))).toMatchObject({
      pathPrefix: '',
    });
  });
});

describe('mapping of claims', () => {
  test('roles in a nested list of a token become scopes', async () => {
    const issuer = await startIssuer();
    const config = {
      scopeClaim: 'realm_access.roles',
      scopes: { uploader: ['write', 'list'], reader: 'read' },
    };
    const oidc = authenticatorOf(issuer, config);
    const claims = claimsOf(issuer, { realm_access: { roles: ['uploader', 'other', 7, '__proto__'] } });
    expect(await ask(oidc, await issuer.sign(claims))).toMatchObject({ scopes: ['write', 'list'] });
    const none = claimsOf(issuer, { realm_access: 'uploader' });
    expect(await ask(oidc, await issuer.sign(none))).toMatchObject({ scopes: [] });
  });

  test('a template makes the path of each user', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer, { path: '/home/{sub}/in-{team}' });
    const claims = claimsOf(issuer, { team: 7 });
    expect(await ask(oidc, await issuer.sign(claims))).toMatchObject({ pathPrefix: 'home/alice/in-7' });
  });

  test('a claim of a token gives its path', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer, { pathClaim: 'https://cairn/path' });
    const claims = claimsOf(issuer, { 'https://cairn/path': '/teams/red/' });
    expect(await ask(oidc, await issuer.sign(claims))).toMatchObject({ pathPrefix: 'teams/red' });
  });

  test.each([
    '..',
    '.',
    '',
    'a/../../b',
    '/etc',
    'a/b',
    'a\0b',
    'a\nb',
    '.cairn',
    'x'.repeat(256),
    ['a'],
    null,
  ])('a token whose %j would stand in the path is refused', async (team) => {
    const issuer = await startIssuer();
    const template = authenticatorOf(issuer, { path: '/home/{team}' });
    const answer = await ask(template, await issuer.sign(claimsOf(issuer, { team })));
    expect(answer).toMatchObject({ code: 'unauthenticated' });
  });

  test.each(['..', 'a/../../b', '//etc', 'a//b', 'a\0b', '.cairn/tokens.json', '', undefined, 7])(
    'a token whose path claim is %j is refused',
    async (path) => {
      const issuer = await startIssuer();
      const oidc = authenticatorOf(issuer, { pathClaim: 'path' });
      const answer = await ask(oidc, await issuer.sign(claimsOf(issuer, { path })));
      expect(answer).toMatchObject({
        code: 'unauthenticated',
        message: expect.stringContaining('path') as string,
      });
    },
  );

  test.each([undefined, '', 7, 'a\u202eb', 'x'.repeat(300), ['alice']])(
    'a token whose subject is %j is refused',
    async (sub) => {
      const issuer = await startIssuer();
      const oidc = authenticatorOf(issuer, { principalClaim: 'user' });
      expect(await ask(oidc, await issuer.sign(claimsOf(issuer, { user: sub })))).toMatchObject({
        code: 'unauthenticated',
      });
    },
  );

  test.each([
    ['{', 'not JSON'],
    ['[]', 'not valid'],
    ['{"algoritms":["RS256"]}', 'algoritms: there is no such member'],
    ['{"algorithms":["HS256"]}', 'algorithms'],
    ['{"algorithms":["none"]}', 'algorithms'],
    ['{"algorithms":[]}', 'algorithms'],
    ['{"scopes":{"admin":"root"}}', 'scopes'],
    ['{"clockToleranceSeconds":-1}', 'clockToleranceSeconds'],
    ['{"path":"home/{sub}"}', 'path'],
    ['{"path":"/../{sub}"}', 'path'],
    ['{"path":"/{}"}', 'path'],
    ['{"path":"/{sub"}', 'path'],
    ['{"path":"/{sub}","pathClaim":"p"}', 'both'],
  ])('the OIDC configuration %s is refused, with the reason %s', (text, why) => {
    expect(() => parseOidcConfig(text, 'oidc.json')).toThrow(
      expect.objectContaining({ code: 'config-invalid', message: expect.stringContaining(why) as string }),
    );
  });
});

describe('bad access tokens', () => {
  const WRONG: [what: string, claims: JWTPayload, header: object, code: string, why: string][] = [
    ['another audience', { aud: 'https://other' }, {}, 'unauthenticated', 'audience'],
    ['no audience', { aud: undefined } as never, {}, 'unauthenticated', 'aud'],
    ['no end', { exp: undefined } as never, {}, 'unauthenticated', 'exp'],
    ['an end that is no number', { exp: '9999999999' } as never, {}, 'unauthenticated', 'exp'],
    ['an end that is over', { exp: now() - 31 }, {}, 'token-expired', 'expired'],
    ['a beginning that is not yet', { nbf: now() + 3600 }, {}, 'unauthenticated', 'not valid yet'],
    ['the type of any JWT', {}, { typ: 'JWT' }, 'unauthenticated', 'at+jwt'],
    ['no type', {}, { typ: undefined }, 'unauthenticated', 'at+jwt'],
    ['the type of something else', {}, { typ: 'logout+jwt' }, 'unauthenticated', 'at+jwt'],
    ['a key that the issuer does not have', {}, { kid: 'other' }, 'unauthenticated', 'key'],
    ['a critical extension', {}, { crit: ['x'], x: 1 }, 'unauthenticated', 'understood'],
  ];
  test.each(WRONG)('an access token with %s is refused', async (_, claims, header, code, why) => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    // The library refuses to sign what it does not know itself.
    const token = await issuer
      .sign(claimsOf(issuer, claims), { crit: undefined, ...header })
      .catch(async () => {
        const [, ...rest] = (await issuer.sign(claimsOf(issuer))).split('.');
        return [encode({ alg: 'RS256', typ: 'at+jwt', kid: 'first', ...header }), ...rest].join('.');
      });
    expect(await ask(oidc, token)).toMatchObject({ code, message: expect.stringContaining(why) as string });
  });

  test('an access token without a signature, or signed with the public key, is refused without fetching keys', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    await ask(oidc, await issuer.sign(claimsOf(issuer)));
    issuer.asked.length = 0;
    const body = encode(claimsOf(issuer));
    for (const alg of ['none', 'None', 'nOnE']) {
      const unsigned = `${encode({ alg, typ: 'at+jwt', kid: 'first' })}.${body}.`;
      expect(await ask(oidc, unsigned)).toMatchObject({ code: 'unauthenticated' });
    }
    const pem = createPublicKey({ key: issuer.publicKey as never, format: 'jwk' })
      .export({ type: 'spki', format: 'pem' })
      .toString();
    for (const secret of [pem, JSON.stringify(issuer.publicKey), issuer.publicKey.n!]) {
      const head = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: 'first' })}.${body}`;
      const mac = createHmac('sha256', secret).update(head).digest('base64url');
      expect(await ask(oidc, `${head}.${mac}`)).toMatchObject({ code: 'unauthenticated' });
    }
    expect(issuer.asked).toEqual([]);
  });

  test('an access token that another key signed, or whose claims were changed, is refused', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const forged = await sign(privateKey, claimsOf(issuer));
    expect(await ask(oidc, forged)).toMatchObject({ code: 'unauthenticated' });
    const own = await sign(privateKey, claimsOf(issuer), { jwk: await exportJWK(publicKey), kid: undefined });
    expect(await ask(oidc, own)).toMatchObject({ code: 'unauthenticated' });
    const [head, , signature] = (await issuer.sign(claimsOf(issuer))).split('.');
    const changed = `${head}.${encode(claimsOf(issuer, { sub: 'root' }))}.${signature}`;
    expect(await ask(oidc, changed)).toMatchObject({
      code: 'unauthenticated',
      message: expect.stringContaining('signature') as string,
    });
  });

  test('an access token that is huge is refused as too long', async () => {
    const issuer = await startIssuer();
    const token = await issuer.sign(claimsOf(issuer, { x: 'x'.repeat(1024 * 1024) }));
    expect(await ask(authenticatorOf(issuer), token)).toMatchObject({
      code: 'unauthenticated',
      message: expect.stringContaining('too long') as string,
    });
  });

  test('an access token of any type is accepted if the configuration says so, except a grant of cairn', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer, { anyType: true });
    for (const typ of ['JWT', undefined]) {
      expect(await ask(oidc, await issuer.sign(claimsOf(issuer), { typ }))).toMatchObject({ pathPrefix: '' });
    }
    expect(await ask(oidc, await issuer.sign(claimsOf(issuer), { typ: 'cairn-grant+jwt' }))).toBeUndefined();
  });
});

describe('evidence of another kind', () => {
  test.each([
    ['a secret of another kind', 'secret'],
    ['one dot', 'a.b'],
    ['a header that is no JSON', 'a.b.c'],
    ['an encrypted token', 'a.b.c.d.e'],
    ['nothing but dots', '..'],
    ['claims that are no JSON', `${encode({ alg: 'RS256' })}.x.y`],
    ['a secret that is huge', 'x'.repeat(20_000)],
  ])('the OIDC authenticator leaves %s to other authenticators', async (_, token) => {
    const oidc = authenticatorOf({ url: 'http://127.0.0.1:9' });
    expect(await ask(oidc, token)).toBeUndefined();
  });

  test('the OIDC authenticator leaves a request without a token, and a token of another issuer, to others', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    expect(await oidc.authenticate({ bearer: undefined })).toBeUndefined();
    const other = await issuer.sign(claimsOf(issuer, { iss: `${issuer.url}/` }));
    expect(await ask(oidc, other)).toBeUndefined();
  });
});

/** An issuer of which a test decides what it answers. */
async function handMadeIssuer(
  answer: (path: string, url: string) => unknown,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request.url!);
    const body = answer(request.url!, url);
    if (typeof body === 'function') (body as (response: ServerResponse) => void)(response);
    else response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, asked };
}

const METADATA = '/.well-known/openid-configuration';

describe('keys of the issuer', () => {
  test('a token has to wait while the issuer has been away from the start', async () => {
    const issuer = await startIssuer();
    const token = await issuer.sign(claimsOf(issuer));
    await issuer.stop();
    const oidc = authenticatorOf(issuer);
    expect(await ask(oidc, token)).toMatchObject({ code: 'issuer-unavailable' });
  });

  test('keys of the issuer stay good while it is away', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const token = await issuer.sign(claimsOf(issuer));
    await ask(oidc, token);
    await issuer.stop();
    expect(await ask(oidc, token)).toMatchObject({ scopes: ['read', 'write', 'list'] });
  });

  test('keys of the issuer are fetched once, however many tokens come at the same time', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    const token = await issuer.sign(claimsOf(issuer));
    await Promise.all(Array.from({ length: 50 }, () => ask(oidc, token)));
    expect(issuer.asked).toEqual([`GET ${METADATA}`, 'GET /jwks']);
  });

  test('a flood of tokens with made-up keys makes few requests to the issuer', async () => {
    const issuer = await startIssuer();
    const oidc = authenticatorOf(issuer);
    for (let flood = 0; flood < 200; flood += 1) {
      const answer = await ask(oidc, await issuer.sign(claimsOf(issuer), { kid: `made-up-${flood}` }));
      expect(answer).toMatchObject({ code: 'unauthenticated' });
    }
    expect(issuer.asked.length).toBeLessThanOrEqual(4);
  });

  test('new keys of the issuer are found, and withdrawn ones end, also when the issuer fails in between', async () => {
    const first = await generateKeyPair('ES256');
    const second = await generateKeyPair('ES256');
    const jwkOf = async ({ publicKey }: typeof first, kid: string) => ({
      ...(await exportJWK(publicKey)),
      kid,
    });
    let published: unknown = { keys: [await jwkOf(first, 'first')] };
    const issuer = await handMadeIssuer((path, url) =>
      path === METADATA ? { issuer: url, jwks_uri: `${url}/keys` } : published,
    );
    let clockMs = 0;
    const keys = createIssuerKeys({
      issuer: new URL(issuer.url),
      name: issuer.url,
      log,
      now: () => clockMs,
    });
    const find = (kid: string): Promise<unknown> =>
      Promise.resolve(keys.find({ alg: 'ES256', kid }, {} as never)).then(
        () => 'found',
        (error: { code: string }) => error.code,
      );
    expect(await find('first')).toBe('found');
    published = { keys: [await jwkOf(first, 'first'), await jwkOf(second, 'second')] };
    expect(await find('second')).toBe('ERR_JWKS_NO_MATCHING_KEY');
    clockMs += COOLDOWN_MS;
    expect(await find('second')).toBe('found');
    published = undefined;
    clockMs += 11 * 60_000;
    expect(await find('first')).toBe('found');
    expect(await find('third')).toBe('issuer-unavailable');
    published = { keys: [await jwkOf(second, 'second')] };
    clockMs += COOLDOWN_MS;
    expect(await find('second')).toBe('found');
    expect(await find('first')).toBe('ERR_JWKS_NO_MATCHING_KEY');
  });

  test('keys of the issuer need no name if the tokens have none', async () => {
    const pairs = [await generateKeyPair('EdDSA'), await generateKeyPair('EdDSA')];
    const keys = await Promise.all(pairs.map(({ publicKey }) => exportJWK(publicKey)));
    const issuer = await handMadeIssuer((path, url) =>
      path === METADATA ? { issuer: url, jwks_uri: `${url}/keys` } : { keys },
    );
    const oidc = authenticatorOf(issuer);
    const header = { alg: 'EdDSA', kid: undefined };
    for (const { privateKey } of pairs) {
      const token = await sign(privateKey, claimsOf(issuer), header);
      expect(await ask(oidc, token)).toMatchObject({ pathPrefix: '' });
    }
    const { privateKey } = await generateKeyPair('EdDSA');
    expect(await ask(oidc, await sign(privateKey, claimsOf(issuer), header))).toMatchObject({
      code: 'unauthenticated',
    });
  });

  const HOSTILE: [what: string, answer: (path: string, url: string) => unknown][] = [
    ['calls itself something else', (_, url) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` })],
    [
      'names keys that are not on a private link',
      (_, url) => ({ issuer: url, jwks_uri: 'http://192.0.2.1/keys' }),
    ],
    ['names keys in a file', (_, url) => ({ issuer: url, jwks_uri: 'file:///etc/passwd' })],
    ['is no issuer', () => 'hello'],
    ['has nothing', () => undefined],
    [
      'redirects',
      (path) => (response: ServerResponse) =>
        response.writeHead(302, { location: `/elsewhere${path}` }).end(),
    ],
    ['answers without an end', () => (response: ServerResponse) => endless(response)],
    [
      'has no keys',
      (path, url) => (path === METADATA ? { issuer: url, jwks_uri: `${url}/keys` } : { keys: 'none' }),
    ],
  ];
  test.each(HOSTILE)('keys are not taken from an issuer that %s', async (_, answer) => {
    const issuer = await handMadeIssuer(answer);
    const { privateKey } = await generateKeyPair('RS256');
    const result = await ask(authenticatorOf(issuer), await sign(privateKey, claimsOf(issuer)));
    expect(result).toMatchObject({ code: 'issuer-unavailable' });
    expect(issuer.asked.length).toBeLessThanOrEqual(2);
  });

  test('keys are found where RFC 8414 has them, below the issuer’s path', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const key = await exportJWK(publicKey);
    const base = await handMadeIssuer((path, url) => {
      if (path === '/keys') return { keys: [key] };
      if (path !== '/.well-known/oauth-authorization-server/realm') return undefined;
      return { issuer: `${url}/realm`, jwks_uri: `${url}/keys` };
    });
    const issuer = { url: `${base.url}/realm` };
    const token = await sign(privateKey, claimsOf(issuer), { kid: undefined });
    const authorization = await ask(authenticatorOf(issuer), token);
    expect(authorization).toMatchObject({ principal: `oidc:${new URL(base.url).host}/realm#alice` });
  });

  test.each([
    'http://login.example.com',
    'ftp://x',
    'nonsense',
    'https://a:b@x',
    'https://x?y',
    'https://x#y',
  ])('an issuer with the URL %s is refused', (url) => {
    expect(() => authenticatorOf({ url })).toThrow(expect.objectContaining({ code: 'config-invalid' }));
  });
});

test('the log of the OIDC authenticator has no part of a token', async () => {
  const issuer: TestIssuer = await startIssuer();
  const token = await issuer.sign(claimsOf(issuer));
  await issuer.stop();
  await ask(authenticatorOf(issuer), token);
  expect(LOG.length).toBeGreaterThan(0);
  for (const part of token.split('.')) expect(LOG.join('\n')).not.toContain(part);
});

function endless(response: ServerResponse): void {
  response.writeHead(200);
  const more = (): void => {
    while (!response.destroyed && response.write('x'.repeat(65_536))) continue;
  };
  response.on('drain', more);
  more();
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
