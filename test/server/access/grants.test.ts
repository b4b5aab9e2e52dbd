import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import type { Authorization } from '../../../src/session/authorization.ts';
import type { Evidence } from '../../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { openGrants, type Grants, type GrantWish } from '../../../src/server/access/grants.ts';
import { DEFAULT_LIMITS } from '../../../src/server/server-limits.ts';
import { createFileState } from '../../../src/storage/state/files/file-state.ts';
import { createUsageLedger } from '../../../src/server/core/quota/usage-ledger.ts';
import { ALICE, call, establishRequest, openScene, type Answer, type Scene } from '../by-hand.ts';
import { codeOf, directory, file, transferOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

const HOUR_MS = 3_600_000;
const CHUNK = 65_536;

const bearer = (secret: string): Evidence => ({ bearer: secret });

const alice: Authorization = {
  id: 'token:alice',
  principal: 'alice',
  scopes: ['read', 'write', 'list'],
  pathPrefix: '',
};

const push = (changes: Partial<GrantWish> = {}): GrantWish => ({
  direction: 'push',
  path: 'inbox/bob',
  expiresInMs: HOUR_MS,
  maxBytes: undefined,
  requestId: undefined,
  ...changes,
});

interface Place {
  readonly state: string;
  readonly clock: { nowMs: number };
  isRevoked: boolean;
  open(): Promise<Grants>;
}

function place(): Place {
  const clock = { nowMs: Date.now() };
  const state = temporaryDirectory();
  const it: Place = {
    state,
    clock,
    isRevoked: false,
    open: async () => {
      const issuer = {
        authenticate: async () => undefined,
        stands: ({ id }: Authorization) => (id === 'token:alice' ? !it.isRevoked : undefined),
      };
      const grants = await openGrants(createFileState(state), DEFAULT_LIMITS, { now: () => clock.nowMs });
      grants.askAboutIssuers([grants, issuer]);
      return grants;
    },
  };
  return it;
}

/** Another value for one claim, or a header, of a grant, whose signature stays. */
function changed(grant: string, part: 0 | 1, changes: object): string {
  const parts = grant.split('.');
  const value = JSON.parse(Buffer.from(parts[part]!, 'base64url').toString()) as object;
  parts[part] = Buffer.from(JSON.stringify({ ...value, ...changes })).toString('base64url');
  return parts.join('.');
}

describe('grants', () => {
  test('a grant allows one transfer and no more, as a principal of its own', async () => {
    const it = place();
    const grants = await it.open();
    const { grant, issued } = await grants.issue(alice, push({ maxBytes: 100 }));
    const allowed = (await grants.authenticate(bearer(grant)))!;
    expect(allowed).toMatchObject({
      id: `grant:${issued.id}`,
      principal: `grant:${issued.id}`,
      scopes: ['write'],
      pathPrefix: 'inbox/bob',
      quota: { bytes: 100 },
      issuer: { id: 'token:alice' },
    });
    expect(allowed.expiresAtMs! - it.clock.nowMs).toBeLessThanOrEqual(HOUR_MS + 1000);
    expect(grants.stands(allowed)).toBe(true);
    expect(grants.stands(alice)).toBeUndefined();
    const pull = await grants.issue(alice, push({ direction: 'pull' }));
    expect((await grants.authenticate(bearer(pull.grant)))!.scopes).toEqual(['read', 'list']);
  });

  test('a grant is accepted by another process with the same state, which holds neither grant nor readable key', async () => {
    const it = place();
    const { grant } = await (await it.open()).issue(alice, push());
    for (const name of readdirSync(it.state)) {
      expect(statSync(path.join(it.state, name)).mode & 0o077).toBe(0);
      expect(readFileSync(path.join(it.state, name), 'utf8')).not.toContain(grant.split('.')[2]);
    }
    expect(await (await it.open()).authenticate(bearer(grant))).toMatchObject({ pathPrefix: 'inbox/bob' });
    expect(await codeOf(async () => (await place().open()).authenticate(bearer(grant)))).toBe(
      'unauthenticated',
    );
  });

  test('a grant ends when its time is over', async () => {
    const it = place();
    const grants = await it.open();
    const { grant } = await grants.issue(alice, push());
    it.clock.nowMs += HOUR_MS + 1000;
    expect(await codeOf(() => grants.authenticate(bearer(grant)))).toBe('token-expired');
    expect(grants.list(alice)).toEqual([]);
  });

  test('a grant ends when its owner revokes it, also after a restart and a clock set back', async () => {
    const it = place();
    const grants = await it.open();
    const { grant, issued } = await grants.issue(alice, push());
    const allowed = (await grants.authenticate(bearer(grant)))!;
    const mallory: Authorization = { ...alice, id: 'token:mallory', principal: 'mallory' };
    expect(grants.list(mallory)).toEqual([]);
    expect(await codeOf(() => grants.revoke(mallory, issued.id))).toBe('not-found');
    expect(grants.list({ ...mallory, scopes: ['admin'] })).toHaveLength(1);
    await grants.revoke(alice, issued.id);
    expect(grants.stands(allowed)).toBe(false);
    expect(await codeOf(() => grants.authenticate(bearer(grant)))).toBe('token-revoked');
    it.clock.nowMs += 2 * HOUR_MS;
    await grants.issue(alice, push());
    it.clock.nowMs -= 2 * HOUR_MS;
    const again = await it.open();
    expect(await codeOf(() => again.authenticate(bearer(grant)))).toBe('token-revoked');
    expect(again.stateOf(again.list(alice).find(({ id }) => id === issued.id)!)).toBe('revoked');
  });

  test('grants have limits that are settings', async () => {
    const it = place();
    const limits = { maxGrantsPerPrincipal: 2, maxSessionsPerGrant: 3 };
    const grants = await openGrants(
      createFileState(it.state),
      { ...DEFAULT_LIMITS, ...limits },
      { now: () => it.clock.nowMs },
    );
    grants.askAboutIssuers([{ authenticate: async () => undefined, stands: () => true }]);
    const { grant } = await grants.issue(alice, push());
    expect((await grants.authenticate(bearer(grant)))?.quota).toEqual({ sessions: 3 });
    await grants.issue(alice, push());
    expect(await codeOf(() => grants.issue(alice, push()))).toBe('quota-exceeded');
  });

  test('a grant that would outlive the token that issues it is refused, with advice', async () => {
    const it = place();
    const login: Authorization = { ...alice, id: 'jwt:alice', expiresAtMs: it.clock.nowMs + 300_000 };
    const grants = await it.open();
    await expect(grants.issue(login, push({ expiresInMs: 24 * HOUR_MS }))).rejects.toThrow(
      /ends in 300 s .*--expires.*cairn token create/,
    );
    expect((await grants.issue(login, push({ expiresInMs: 240_000 }))).issued.path).toBe('inbox/bob');
  });

  test('a grant does not exist for a token of another path, even for that of an administrator', async () => {
    const grants = await place().open();
    const { issued } = await grants.issue(alice, push());
    for (const pathPrefix of ['inbox/bobby', 'inbox/bob/below', 'other']) {
      for (const scopes of [['read'], ['admin']] as const) {
        const confined: Authorization = { ...alice, scopes, pathPrefix };
        expect(grants.list(confined)).toEqual([]);
        expect(await codeOf(() => grants.revoke(confined, issued.id))).toBe('not-found');
      }
    }
    expect(grants.list({ ...alice, pathPrefix: 'inbox' })).toHaveLength(1);
    await grants.revoke({ ...alice, pathPrefix: 'inbox/bob' }, issued.id);
    expect(grants.stateOf(issued)).toBe('valid');
    expect(grants.list(alice).map((grant) => grants.stateOf(grant))).toEqual(['revoked']);
  });

  test('a grant ends with the token that it was issued with', async () => {
    const it = place();
    const grants = await it.open();
    const { grant, issued } = await grants.issue(alice, push());
    const allowed = (await grants.authenticate(bearer(grant)))!;
    it.isRevoked = true;
    expect(grants.stands(allowed)).toBe(false);
    expect(await codeOf(() => grants.authenticate(bearer(grant)))).toBe('token-revoked');
    expect(grants.stateOf(issued)).toBe('ended');
  });

  test('a grant is the same when its request is made again because the answer was lost', async () => {
    const grants = await place().open();
    const wish = push({ requestId: 'r'.repeat(22) });
    const [first, second] = [await grants.issue(alice, wish), await grants.issue(alice, wish)];
    expect(second.grant).toBe(first.grant);
    expect(grants.list(alice)).toHaveLength(1);
    const other = await grants.issue({ ...alice, principal: 'other' }, wish);
    expect(other.issued.id).not.toBe(first.issued.id);
  });
});

describe('forged grants', () => {
  test.each([
    ['path', { path: '' }],
    ['scope', { scope: 'read list' }],
    ['end', { exp: 9_999_999_999 }],
    ['limit', { max_bytes: 1e15 }],
    ['issuer', { by: { id: 'token:root' } }],
    ['id', { jti: 'x'.repeat(22) }],
  ])('a grant with a changed %s is not valid', async (_what, claims) => {
    const grants = await place().open();
    const { grant } = await grants.issue(alice, push({ maxBytes: 1 }));
    expect(await codeOf(() => grants.authenticate(bearer(changed(grant, 1, claims))))).toBe(
      'unauthenticated',
    );
  });

  test.each([['none'], ['HS512'], ['RS256'], ['EdDSA']])(
    'a grant with the algorithm %s is not valid',
    async (alg) => {
      const grants = await place().open();
      const { grant } = await grants.issue(alice, push());
      const [head, body] = changed(grant, 0, { alg }).split('.');
      for (const signature of ['', grant.split('.')[2]]) {
        const code = await codeOf(() => grants.authenticate(bearer(`${head}.${body}.${signature}`)));
        expect(code).toBe('unauthenticated');
      }
    },
  );

  test('a grant that another key signed is not valid, and tokens of other kinds are left to others', async () => {
    const it = place();
    const grants = await it.open();
    const forge = (key: Uint8Array, typ: string): Promise<string> =>
      new SignJWT({ scope: 'write', path: '', by: { id: 'token:alice' } })
        .setProtectedHeader({ alg: 'HS256', typ })
        .setIssuer('urn:cairn:grant')
        .setJti('x'.repeat(22))
        .setSubject('grant:x')
        .setExpirationTime('1h')
        .sign(key);
    const forged = await forge(Buffer.alloc(32), 'cairn-grant+jwt');
    expect(await codeOf(() => grants.authenticate(bearer(forged)))).toBe('unauthenticated');
    await grants.issue(alice, push());
    expect(await codeOf(() => grants.authenticate(bearer(forged)))).toBe('unauthenticated');
    const other = await forge(Buffer.alloc(32), 'at+jwt');
    for (const token of [other, new UnsecuredJWT({}).encode(), 'a.b.c', '..', '.', 'x'.repeat(43), ''])
      expect(await grants.authenticate(bearer(token))).toBeUndefined();
  });

  test('a grant with claims of another kind is not valid, though the right key signed it', async () => {
    const it = place();
    const grants = await it.open();
    await grants.issue(alice, push());
    const key = Buffer.from(readFileSync(path.join(it.state, 'grant-key'), 'utf8').trim(), 'base64url');
    const sign = (claims: Record<string, unknown>): Promise<string> =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'cairn-grant+jwt' })
        .setIssuer('urn:cairn:grant')
        .sign(key);
    const good = {
      jti: 'x'.repeat(22),
      sub: 'grant:x',
      exp: Math.floor(it.clock.nowMs / 1000) + 60,
      scope: 'write',
      path: '',
      by: { id: 'token:alice' },
    };
    expect(await grants.authenticate(bearer(await sign(good)))).toBeDefined();
    const bad = [
      { ...good, exp: undefined },
      { ...good, path: '../etc' },
      { ...good, scope: 'admin' },
      { ...good, max_bytes: -1 },
      { ...good, by: undefined },
    ];
    for (const claims of bad) {
      const forged = await sign(JSON.parse(JSON.stringify(claims)) as Record<string, unknown>);
      expect(await codeOf(() => grants.authenticate(bearer(forged)))).toBe('unauthenticated');
    }
  });
});

describe('bounds of grants', () => {
  test.each([
    ['the scope of the token', { scopes: ['read' as const] }, push(), 'forbidden'],
    ['the scope of the token', { scopes: ['write' as const] }, push({ direction: 'pull' }), 'forbidden'],
    ['the path of the token', { pathPrefix: 'inbox/alice' }, push(), 'forbidden'],
    ['the path of the token', { pathPrefix: 'inbox/bo' }, push(), 'forbidden'],
    ['the time of the token', { expiresAtMs: Date.now() + HOUR_MS / 2 }, push(), 'forbidden'],
    ['the quota of the token', { quota: { bytes: 10 } }, push({ maxBytes: 11 }), 'quota-exceeded'],
    ['the limits that a pull has', {}, push({ direction: 'pull', maxBytes: 1 }), 'invalid-request'],
    ['the rights of another grant', { id: 'grant:x' }, push(), 'forbidden'],
  ])('a wish for a grant beyond %s is refused', async (_what, changes, wish, code) => {
    const it = place();
    const grants = await it.open();
    expect(await codeOf(() => grants.issue({ ...alice, ...changes }, wish))).toBe(code);
    expect(readdirSync(it.state)).toEqual([]);
  });

  test('a token that may only read grants only reading', async () => {
    const grants = await place().open();
    const reader: Authorization = { ...alice, scopes: ['read'] };
    const { grant } = await grants.issue(reader, push({ direction: 'pull' }));
    expect((await grants.authenticate(bearer(grant)))!.scopes).toEqual(['read']);
  });
});

test('a state of grants that cannot be understood is an error, and is not replaced', async () => {
  const it = place();
  writeFileSync(path.join(it.state, 'grants.json'), '{"version":1,"grants":[{"id":1}]}');
  expect(await codeOf(() => it.open())).toBe('config-invalid');
  const other = place();
  writeFileSync(path.join(other.state, 'grant-key'), 'short');
  const grants = await other.open();
  expect(await codeOf(() => grants.issue(alice, push()))).toBe('config-invalid');
});

describe('grants over HTTP', () => {
  async function scene(quota?: Authorization['quota']): Promise<Scene> {
    const token = createStaticToken(ALICE, {
      id: 'token:alice',
      principal: 'alice',
      ...(quota === undefined ? {} : { quota }),
    });
    const grants = await openGrants(createFileState(temporaryDirectory()), DEFAULT_LIMITS);
    return openScene('local disk', { authenticators: [token, grants], grants, usage: createUsageLedger() });
  }

  const ask = (it: Scene, message: object, token = ALICE): Promise<Answer> =>
    call(it, 'POST', '/.cairn/v1/grants', { token, body: JSON.stringify(message) });

  function plan(it: Scene, target: string, token: string): Promise<Answer> {
    const transfer = transferOf(it.stores.content, target, [directory(''), file('a', CHUNK)]);
    const request = establishRequest(transfer, 'push', encodeURI(`/${target}`));
    return call(it, 'POST', '/.cairn/v1/sessions', { token, body: JSON.stringify(request) });
  }

  test('a grant is shown once, listed without its secret, and revoked', async () => {
    const it = await scene();
    const wish = { direction: 'push', target: '/in%20box/', expiresInMs: HOUR_MS };
    const { status, json } = await ask(it, wish);
    expect([status, json.target, json.state, json.maxBytes]).toEqual([201, '/in%20box', 'valid', null]);
    expect((await plan(it, 'in box', json.grant)).status).toBe(201);
    expect((await plan(it, 'in box/deeper', json.grant)).status).toBe(201);
    expect((await plan(it, 'in boxes', json.grant)).json.code).toBe('forbidden');
    const list = await call(it, 'GET', '/.cairn/v1/grants', { token: ALICE });
    expect(list.json.grants).toMatchObject([{ id: json.id, state: 'valid' }]);
    expect(list.body.toString()).not.toContain('"grant"');
    const route = `/.cairn/v1/grants/${json.id}`;
    expect((await call(it, 'DELETE', route, { token: json.grant })).json.code).toBe('not-found');
    expect((await call(it, 'DELETE', route, { token: ALICE })).status).toBe(200);
    expect((await plan(it, 'in box', json.grant)).json.code).toBe('token-revoked');
    expect(it.logged.join('\n')).not.toContain(json.grant.split('.')[2]);
  });

  test('requests for grants that are wrong are refused', async () => {
    const it = await scene();
    const good = { direction: 'push', target: '/in', expiresInMs: HOUR_MS };
    const bad: [object, string][] = [
      [{ ...good, direction: 'both' }, 'invalid-request'],
      [{ ...good, expiresInMs: 0 }, 'invalid-request'],
      [{ ...good, expiresInMs: 1e300 }, 'invalid-request'],
      [{ ...good, maxBytes: 0.5 }, 'invalid-request'],
      [{ ...good, requestId: '../x' }, 'invalid-request'],
      [{ ...good, target: '/../etc' }, 'path-unsafe'],
      [{ ...good, target: '/.cairn/state' }, 'path-reserved'],
    ];
    for (const [message, code] of bad) expect((await ask(it, message)).json.code).toBe(code);
    expect((await ask(it, good, 'nobody')).json.code).toBe('unauthenticated');
    expect((await call(it, 'DELETE', '/.cairn/v1/grants/x', { token: ALICE })).status).toBe(404);
    expect((await call(it, 'PUT', '/.cairn/v1/grants', { token: ALICE })).status).toBe(405);
    const bare = await openScene('memory');
    expect((await ask(bare, good)).json.code).toBe('forbidden');
  });

  test('a client may issue grants with a certificate, and they end with its authorization', async () => {
    let stands = true;
    const certificate = {
      ...createStaticToken(ALICE, { id: 'certificate:alice', principal: 'alice' }),
      stands: ({ id }: Authorization) => (id === 'certificate:alice' ? stands : undefined),
    };
    const grants = await openGrants(createFileState(temporaryDirectory()), DEFAULT_LIMITS);
    const it = await openScene('local disk', { authenticators: [grants, certificate], grants });
    const { json } = await ask(it, { direction: 'push', target: '/in', expiresInMs: HOUR_MS });
    expect(json.state).toBe('valid');
    expect((await plan(it, 'in', json.grant)).status).toBe(201);
    stands = false;
    expect((await plan(it, 'in', json.grant)).json.code).toBe('token-revoked');
  });

  test('transfers that are begun with grants count for the quota of their token', async () => {
    const it = await scene({ sessions: 2 });
    const wish = { direction: 'push', target: '/in', expiresInMs: HOUR_MS };
    const [one, two] = [(await ask(it, wish)).json.grant, (await ask(it, wish)).json.grant];
    expect((await plan(it, 'in/a', one)).status).toBe(201);
    expect((await plan(it, 'in/b', two)).status).toBe(201);
    const refused = await plan(it, 'in/c', one);
    expect(refused.json.code).toBe('quota-exceeded');
    expect(refused.json.detail).toContain(
      'the access token that issued this grant may have 2 unfinished transfers',
    );
  });
});
