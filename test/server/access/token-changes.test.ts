import { readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Authorization } from '../../../src/session/authorization.ts';
import type { Evidence } from '../../../src/server/access/authenticator.ts';
import { openAccessTokens, type OpenedAccessTokens } from '../../../src/server/access/access-tokens.ts';
import { firstTokenPath, type TokenStore } from '../../../src/server/access/first-token.ts';
import {
  addToken,
  readTokens,
  removeTokens,
  type TokenWish,
} from '../../../src/server/access/token-changes.ts';
import { hashSecret, issueSecret } from '../../../src/session/credential.ts';
import { createFileState } from '../../../src/storage/state/files/file-state.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** How soon a server has to notice what the command line does. */
const SOON_MS = 500;

const bearer = (secret: string): Evidence => ({ bearer: secret });

function wishFor(name: string, changes: Partial<TokenWish> = {}): TokenWish & { secret: string } {
  const base = { name, principal: name, scopes: ['read' as const], path: '', expiresAtMs: undefined };
  return { ...base, quota: undefined, ...issueSecret(), ...changes };
}

function storeOf(directory: string): TokenStore {
  return { state: createFileState(directory), secretFile: firstTokenPath(directory) };
}

/** Tokens as a running server has them. */
async function running(state: string): Promise<OpenedAccessTokens & { logged: string[] }> {
  const logged: string[] = [];
  const note = (fields: object, message: string): void =>
    void logged.push(`${message} ${JSON.stringify(fields)}`);
  const tokens = await openAccessTokens(storeOf(state), { log: { info: note, error: note } });
  onTestFinished(() => tokens.close());
  return { ...tokens, logged };
}

async function add(state: string, wish: TokenWish & { secret: string }): Promise<string> {
  const { secret, ...rest } = wish;
  await addToken(storeOf(state), rest);
  return secret;
}

test('a token allows its scopes and path, and its secret is kept nowhere', async () => {
  const state = temporaryDirectory();
  const tokens = await running(state);
  const expiresAtMs = Date.now() + 3_600_000;
  const quota = { bytes: 10, sessions: 2 };
  const secret = await add(
    state,
    wishFor('backup', { principal: 'alice', scopes: ['list', 'write'], path: 'in/box', expiresAtMs, quota }),
  );
  const allowed = await tokens.authenticate(bearer(secret));
  expect(allowed).toMatchObject({ principal: 'alice', pathPrefix: 'in/box', expiresAtMs, quota });
  expect(allowed!.scopes).toEqual(['write', 'list']);
  const text = readFileSync(path.join(state, 'tokens.json'), 'utf8');
  expect(text).toContain(hashSecret(secret));
  expect(text).not.toContain(secret);
  expect(statSync(path.join(state, 'tokens.json')).mode & 0o777).toBe(0o600);
});

test('the token file of an older cairn goes on working, with everything allowed', async () => {
  const state = temporaryDirectory();
  const { secret, hash } = issueSecret();
  const old = { name: 'first', principal: 'somebody', hash, createdAt: '2024-01-01T00:00:00.000Z' };
  writeFileSync(path.join(state, 'tokens.json'), JSON.stringify({ version: 1, tokens: [old] }));
  const tokens = await running(state);
  const before = await tokens.authenticate(bearer(secret));
  // Sessions of that time were authorized by this id.
  expect(before).toMatchObject({ id: 'token:first', principal: 'somebody', pathPrefix: '' });
  expect(before!.scopes).toEqual(['read', 'write', 'list', 'admin']);
  await add(state, wishFor('second'));
  await sleep(SOON_MS);
  expect(await tokens.authenticate(bearer(secret))).toEqual(before);
});

test('a running server notices within half a second that a token was revoked, and tells its client', async () => {
  const state = temporaryDirectory();
  const tokens = await running(state);
  const secret = await add(state, wishFor('short'));
  const authorization = (await tokens.authenticate(bearer(secret)))!;
  expect(tokens.stands(authorization)).toBe(true);
  await removeTokens(storeOf(state), ['short']);
  await sleep(SOON_MS);
  expect(tokens.stands(authorization)).toBe(false);
  expect(await codeOf(() => tokens.authenticate(bearer(secret)))).toBe('token-revoked');
});

test('a token with a name that is used again is another one, and sessions of the first stay revoked', async () => {
  const state = temporaryDirectory();
  const tokens = await running(state);
  const first = (await tokens.authenticate(bearer(await add(state, wishFor('ci')))))!;
  await removeTokens(storeOf(state), ['ci']);
  const second = (await tokens.authenticate(bearer(await add(state, wishFor('ci')))))!;
  expect(second.id).not.toBe(first.id);
  expect(second.principal).toBe(first.principal);
  expect([tokens.stands(first), tokens.stands(second)]).toEqual([false, true]);
  expect(tokens.stands({ ...first, id: 'grant:x' } satisfies Authorization)).toBeUndefined();
});

test('a token file that is damaged while the server runs changes nothing, and is logged once', async () => {
  const state = temporaryDirectory();
  const tokens = await running(state);
  const secret = await add(state, wishFor('kept'));
  expect(await tokens.authenticate(bearer(secret))).toBeDefined();
  const file = path.join(state, 'tokens.json');
  const good = readFileSync(file);
  const complaints = (): number => tokens.logged.filter((line) => line.includes('cannot be read')).length;
  writeFileSync(file, '{"version":2,"tokens":[{}]}');
  await sleep(2 * SOON_MS);
  expect(await tokens.authenticate(bearer(secret))).toBeDefined();
  expect(complaints()).toBe(1);
  renameSync(file, `${file}.away`);
  await sleep(SOON_MS);
  expect(await tokens.authenticate(bearer(secret))).toBeDefined();
  expect(complaints()).toBe(1);
  writeFileSync(file, good);
  const another = await add(state, wishFor('another'));
  expect(await tokens.authenticate(bearer(another))).toBeDefined();
});

test('tokens that are added at the same time are all kept', async () => {
  const state = temporaryDirectory();
  const names = Array.from({ length: 12 }, (_, index) => `t${index}`);
  await Promise.all(names.map((name) => add(state, wishFor(name))));
  const kept = (await readTokens(createFileState(state)))!.map(({ name }) => name).toSorted();
  expect(kept).toEqual([...names, 'first'].toSorted());
});

test.each([
  ['a scope that nobody knows', { scopes: ['everything'] }],
  ['a path that leads out', { path: '../etc' }],
  ['a time that is none', { expiresAt: 'soon' }],
  ['a negative quota', { quota: { bytes: -1 } }],
  ['a hash that is none', { hash: 'abc' }],
])('a token with %s makes the whole file unreadable', async (_what, changes) => {
  const state = temporaryDirectory();
  const good = {
    id: 'a',
    name: 'a',
    principal: 'p',
    hash: hashSecret('x'),
    createdAt: '2024-01-01T00:00:00.000Z',
    scopes: ['read'],
    path: '',
  };
  const write = (token: object): void =>
    writeFileSync(path.join(state, 'tokens.json'), JSON.stringify({ version: 2, tokens: [token] }));
  write(good);
  expect(await readTokens(createFileState(state))).toHaveLength(1);
  write({ ...good, ...changes });
  expect(await codeOf(() => readTokens(createFileState(state)))).toBe('config-invalid');
});

test('adding a token with a taken name, or removing an unknown one, changes nothing', async () => {
  const state = temporaryDirectory();
  await add(state, wishFor('one'));
  const before = readFileSync(path.join(state, 'tokens.json'), 'utf8');
  expect(await codeOf(() => add(state, wishFor('one')))).toBe('usage');
  expect(await codeOf(() => removeTokens(storeOf(state), ['one', 'two']))).toBe('not-found');
  expect(readFileSync(path.join(state, 'tokens.json'), 'utf8')).toBe(before);
});

test('the file with the first secret is removed with the first token, and with no other', async () => {
  const state = temporaryDirectory();
  await add(state, wishFor('one'));
  const file = path.join(state, 'token');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await removeTokens(storeOf(state), ['one']);
  expect(readFileSync(file, 'utf8')).toMatch(/^[\w-]{43}$/);
  await removeTokens(storeOf(state), ['first']);
  expect(() => statSync(file)).toThrow('ENOENT');
  // It is not made again: somebody has decided against it.
  await running(state);
  expect(() => statSync(file)).toThrow('ENOENT');
});
