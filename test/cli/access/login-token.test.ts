import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import {
  loginFileOf,
  readLogin,
  removeLogin,
  writeLogin,
  type Login,
} from '../../../src/cli/access/credentials.ts';
import type { Tokens } from '../../../src/cli/access/issuer.ts';
import { loginToken } from '../../../src/cli/access/login-token.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

const ORIGIN = 'https://files.example.com';
const LIFE_MS = 1_000_000;

/** A login, an issuer that makes `access-2`, `access-3` and so on, each refresh token for one use, and a clock. */
async function openScene(changes: Partial<Login> = {}) {
  const env = { XDG_CONFIG_HOME: temporaryDirectory() };
  const file = loginFileOf(env, ORIGIN);
  const login: Login = {
    origin: ORIGIN,
    issuer: 'https://login.example.com',
    clientId: 'cairn-cli',
    accessToken: 'access-1',
    refreshToken: 'refresh-1',
    obtainedAtMs: 0,
    expiresAtMs: LIFE_MS,
    ...changes,
  };
  await writeLogin(file, login);
  const scene = { nowMs: 0, refreshes: 0, failure: undefined as CairnError | undefined };
  const refresh = async ({ refreshToken }: { refreshToken: string }): Promise<Tokens> => {
    await sleep(20);
    if (scene.failure !== undefined) throw scene.failure;
    expect(refreshToken).toBe(`refresh-${scene.refreshes + 1}`);
    scene.refreshes += 1;
    const next = scene.refreshes + 1;
    return {
      accessToken: `access-${next}`,
      refreshToken: `refresh-${next}`,
      obtainedAtMs: scene.nowMs,
      expiresAtMs: scene.nowMs + LIFE_MS,
    };
  };
  const provider = () => loginToken({ env, origin: ORIGIN, refresh, now: () => scene.nowMs });
  return Object.assign(scene, { env, file, provider });
}

const unavailable = new CairnError('issuer-unavailable', 'away');
const invalidGrant = new CairnError('login-failed', 'no', { details: { oauthError: 'invalid_grant' } });

describe('access tokens of a login', () => {
  test('the access token of a login is the kept one while there is time left', async () => {
    const scene = await openScene();
    scene.nowMs = LIFE_MS - 31_000;
    expect(await scene.provider()()).toBe('access-1');
    expect(scene.refreshes).toBe(0);
  });

  test.each([
    ['less than 30 seconds are left', LIFE_MS, LIFE_MS - 29_999],
    ['a fifth of a short life is left', 5000, 4000],
    ['it is over', LIFE_MS, LIFE_MS + 1],
  ])('the access token of a login is renewed when %s, and kept', async (_, expiresAtMs, nowMs) => {
    const scene = await openScene({ expiresAtMs });
    scene.nowMs = nowMs;
    expect(await scene.provider()()).toBe('access-2');
    expect(await readLogin(scene.file, ORIGIN)).toMatchObject({
      accessToken: 'access-2',
      refreshToken: 'refresh-2',
      clientId: 'cairn-cli',
    });
    expect(statSync(scene.file).mode & 0o777).toBe(0o600);
    expect(statSync(path.dirname(scene.file)).mode & 0o777).toBe(0o700);
  });

  test('the access token of a login is renewed when it is asked for again, since the server has refused it', async () => {
    const scene = await openScene();
    const token = scene.provider();
    expect([await token(), await token(), await token()]).toEqual(['access-1', 'access-2', 'access-3']);
  });

  test('the access token of a login is renewed once for all who ask at the same time', async () => {
    const scene = await openScene();
    scene.nowMs = LIFE_MS;
    const tokens = await Promise.all(Array.from({ length: 5 }, () => scene.provider()()));
    expect(new Set(tokens)).toEqual(new Set(['access-2']));
    expect(scene.refreshes).toBe(1);
  });

  test('the access token of a login is the new one if another process has renewed it', async () => {
    const scene = await openScene();
    const [one, other] = [scene.provider(), scene.provider()];
    expect([await one(), await other()]).toEqual(['access-1', 'access-1']);
    expect([await one(), await other()]).toEqual(['access-2', 'access-2']);
  });

  test('the access token of a login without an end is used until it is refused', async () => {
    const scene = await openScene({ expiresAtMs: undefined });
    scene.nowMs = 1e12;
    const token = scene.provider();
    expect([await token(), await token()]).toEqual(['access-1', 'access-2']);
  });

  test('an access token stays in use while the issuer is away, and waits for the issuer once it is over', async () => {
    const scene = await openScene();
    scene.failure = unavailable;
    const token = scene.provider();
    scene.nowMs = LIFE_MS - 1;
    expect([await token(), await token()]).toEqual(['access-1', 'access-1']);
    scene.nowMs = LIFE_MS;
    expect(await codeOf(token)).toBe('issuer-unavailable');
    scene.failure = undefined;
    expect(await token()).toBe('access-2');
  });

  test('a login that cannot be renewed any more asks for a new login', async () => {
    const scene = await openScene();
    scene.nowMs = LIFE_MS;
    scene.failure = invalidGrant;
    await expect(scene.provider()()).rejects.toMatchObject({
      code: 'login-failed',
      message: expect.stringContaining(`cairn login ${ORIGIN}`) as string,
    });
    const without = await openScene({ refreshToken: undefined });
    const token = without.provider();
    expect([await token(), await token()]).toEqual(['access-1', 'access-1']);
    without.nowMs = LIFE_MS;
    expect(await codeOf(token)).toBe('login-failed');
  });

  test('a client has no access token without a login, or after a logout', async () => {
    const scene = await openScene();
    const token = scene.provider();
    expect(await token()).toBe('access-1');
    await removeLogin(scene.file);
    await removeLogin(scene.file);
    expect(await token()).toBeUndefined();
    const other = loginToken({ env: scene.env, origin: 'https://other.example.com' });
    expect(await other()).toBeUndefined();
  });
});

describe('login files', () => {
  test('a login file is below XDG_CONFIG_HOME, else below home, one for each scheme, host and port', () => {
    const file = loginFileOf({ XDG_CONFIG_HOME: '/c' }, ORIGIN, '/home/u');
    expect(path.dirname(file)).toBe('/c/cairn/credentials');
    for (const env of [{}, { XDG_CONFIG_HOME: 'relative' }]) {
      expect(path.dirname(loginFileOf(env, ORIGIN, '/home/u'))).toBe('/home/u/.config/cairn/credentials');
    }
    const others = ['http://files.example.com', `${ORIGIN}:8443`, 'https://files.example.com.evil.example'];
    expect(new Set([ORIGIN, ...others].map((origin) => loginFileOf({}, origin))).size).toBe(4);
  });

  test.each([
    ['cut', '{"version":1,"accessToken":"secret'],
    ['empty', ''],
    ['of a newer cairn', '{"version":2}'],
    ['too large', `"${'x'.repeat(70_000)}"`],
  ])('a login file that is %s is not used, and its content is not shown', async (_, text) => {
    const scene = await openScene();
    writeFileSync(scene.file, text);
    const failure = await scene
      .provider()()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'token-unreadable' });
    expect(JSON.stringify(failure) + String((failure as Error).cause)).not.toContain('secret');
  });

  test('a login file of another server, which was moved, is not used', async () => {
    const scene = await openScene();
    const evil = loginFileOf(scene.env, 'https://evil.example.com');
    writeFileSync(evil, readFileSync(scene.file), { mode: 0o600 });
    const token = loginToken({ env: scene.env, origin: 'https://evil.example.com' });
    expect(await codeOf(token)).toBe('token-unreadable');
  });

  test('a login file that others can read, or that is a link or a directory, is not used', async () => {
    const scene = await openScene();
    chmodSync(scene.file, 0o640);
    expect(await codeOf(scene.provider())).toBe('token-unreadable');
    chmodSync(scene.file, 0o600);
    const linked = loginFileOf(scene.env, 'https://linked');
    symlinkSync(scene.file, linked);
    expect(await codeOf(() => readLogin(linked, ORIGIN))).toBe('token-unreadable');
    const directory = loginFileOf(scene.env, 'https://directory');
    mkdirSync(directory);
    expect(await codeOf(() => readLogin(directory, 'https://directory'))).toBe('token-unreadable');
  });

  test('a login file with a token that could break out of a header is not used', async () => {
    const scene = await openScene();
    const text = readFileSync(scene.file, 'utf8').replace('access-1', 'access\\r\\nX: y');
    writeFileSync(scene.file, text);
    expect(await codeOf(scene.provider())).toBe('token-unreadable');
  });
});
