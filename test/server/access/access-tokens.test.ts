import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Evidence } from '../../../src/server/access/authenticator.ts';
import { openAccessTokens, type OpenedAccessTokens } from '../../../src/server/access/access-tokens.ts';
import { firstTokenPath } from '../../../src/server/access/first-token.ts';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { openFileState } from '../../../src/storage/state/files/file-state.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** What a server opens in a state directory. */
async function openAt(directory: string): Promise<OpenedAccessTokens> {
  const secretFile = firstTokenPath(directory);
  const tokens = await openAccessTokens({ state: await openFileState(directory), secretFile });
  onTestFinished(() => tokens.close());
  return tokens;
}

const bearer = (secret: string): Evidence => ({ bearer: secret });

test('the first start of a server makes a token, and keeps only its hash beside the secret file', async () => {
  const state = path.join(temporaryDirectory(), 'state');
  const tokens = await openAt(state);
  const secret = readFileSync(path.join(state, 'token'), 'utf8');
  expect(secret).toMatch(/^[\w-]{43}$/);
  expect(await tokens.authenticate(bearer(secret))).toMatchObject({ principal: tokens.created?.principal });
  const kept = path.join(state, 'tokens.json');
  expect(readFileSync(kept, 'utf8')).not.toContain(secret);
  for (const name of [path.join(state, 'token'), kept]) expect(statSync(name).mode & 0o777).toBe(0o600);
});

test('later starts of a server know the token of the first one', async () => {
  const state = temporaryDirectory();
  const first = await openAt(state);
  const secret = readFileSync(path.join(state, 'token'), 'utf8');
  const second = await openAt(state);
  expect(second.created).toBeUndefined();
  expect(await second.authenticate(bearer(secret))).toMatchObject({ principal: first.created?.principal });
  expect(await second.authenticate(bearer(''))).toBeUndefined();
  expect(await second.authenticate(bearer(`${secret}x`))).toBeUndefined();
});

test("a server's first start that was killed while it made the token leaves no secret behind", async () => {
  const state = temporaryDirectory();
  writeFileSync(path.join(state, '.cairn-00ff.tmp'), 'the secret of a token that was never made');
  writeFileSync(path.join(state, 'token'), 'another one, without its hash');
  const tokens = await openAt(state);
  expect(readdirSync(state).toSorted()).toEqual(['token', 'tokens.json', 'tokens.lock']);
  const secret = readFileSync(path.join(state, 'token'), 'utf8');
  expect(await tokens.authenticate(bearer(secret))).toMatchObject({ principal: tokens.created?.principal });
});

test('a token file that cannot be understood is not replaced', async () => {
  const state = temporaryDirectory();
  writeFileSync(path.join(state, 'tokens.json'), '{"version":2}');
  expect(await codeOf(() => openAt(state))).toBe('config-invalid');
});

test('a static token is accepted for its secret alone', async () => {
  const tokens = createStaticToken('secret');
  expect(await tokens.authenticate(bearer('secret'))).toMatchObject({ principal: 'static' });
  expect(await tokens.authenticate(bearer('Secret'))).toBeUndefined();
});
