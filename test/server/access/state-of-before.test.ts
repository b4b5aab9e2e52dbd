import { copyFileSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAccessTokens } from '../../../src/server/access/access-tokens.ts';
import { firstTokenPath } from '../../../src/server/access/first-token.ts';
import { openGrants } from '../../../src/server/access/grants.ts';
import { openSessionKey } from '../../../src/server/access/kept-key.ts';
import { addToken } from '../../../src/server/access/token-changes.ts';
import { openLastSeen } from '../../../src/server/core/last-seen.ts';
import { openUsageLedger } from '../../../src/server/core/quota/usage-ledger.ts';
import { DEFAULT_LIMITS } from '../../../src/server/server-limits.ts';
import { issueSecret } from '../../../src/session/credential.ts';
import { openFileState } from '../../../src/storage/state/files/file-state.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { temporaryDirectory } from '../../support/trees.ts';

/** What a server wrote before its documents lay in a state store, and the secrets that it gave out. */
const FIXTURES = path.resolve(import.meta.dirname, '../../../fixtures/state');
const WRITTEN_AT_MS = 1_796_065_089_000;
const SECRET = 'aHS4JLpNVbvLWq3QiX7tJcoKXbzexT-VXNB3T642OE0';
const PUSH_GRANT =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6ImNhaXJuLWdyYW50K2p3dCJ9.eyJzY29wZSI6IndyaXRlIiwicGF0aCI6ImluYm94IiwiYnkiOnsiaWQiOiJ0b2tlbjpiYWNrdXAuTWpScUdCZnFZTVVfIiwiYnl0ZXMiOjEwNDg1NzYwfSwibWF4X2J5dGVzIjoxMDQ4NTc2LCJpc3MiOiJ1cm46Y2Fpcm46Z3JhbnQiLCJqdGkiOiJYdlg2NGRPeHpKYnh4TllCUkhhQURnIiwic3ViIjoiZ3JhbnQ6WHZYNjRkT3h6SmJ4eE5ZQlJIYUFEZyIsImlhdCI6MTc5NjA2NTA4NSwiZXhwIjoyMTExNDI1MDg2fQ.MuNSSBS-R3OWZSFZFFEFPhp6L6XfIp3Yo-HHl0s-IMI';
const REVOKED_GRANT =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6ImNhaXJuLWdyYW50K2p3dCJ9.eyJzY29wZSI6InJlYWQgbGlzdCIsInBhdGgiOiJmIiwiYnkiOnsiaWQiOiJ0b2tlbjpiYWNrdXAuTWpScUdCZnFZTVVfIiwiYnl0ZXMiOjEwNDg1NzYwfSwiaXNzIjoidXJuOmNhaXJuOmdyYW50IiwianRpIjoiYzQwQlN3NWl4YkVaNWJvX3hnMm1OQSIsInN1YiI6ImdyYW50OmM0MEJTdzVpeGJFWjVib194ZzJtTkEiLCJpYXQiOjE3OTYwNjUwODYsImV4cCI6MjExMTQyNTA4N30.PnGnm61hPrmrISGpin1V1s3OoLUTelFqaQJcwFtCPp8';

function stateOfBefore(): string {
  const state = path.join(temporaryDirectory(), 'state');
  mkdirSync(state, { mode: 0o700 });
  for (const name of readdirSync(FIXTURES)) copyFileSync(path.join(FIXTURES, name), path.join(state, name));
  return state;
}

test('a server reads the files of a server without a state store, and writes them in the same form', async () => {
  const directory = stateOfBefore();
  const state = await openFileState(directory);
  const store = { state, secretFile: firstTokenPath(directory) };
  const tokens = await openAccessTokens(store);
  onTestFinished(() => tokens.close());
  const allowed = (await tokens.authenticate({ bearer: SECRET }))!;
  expect(allowed).toMatchObject({ principal: 'alice', quota: { bytes: 10_485_760 } });

  const grants = await openGrants(state, DEFAULT_LIMITS, { now: () => WRITTEN_AT_MS });
  grants.askAboutIssuers([tokens]);
  expect(await grants.authenticate({ bearer: PUSH_GRANT })).toMatchObject({ pathPrefix: 'inbox' });
  expect(await codeOf(() => grants.authenticate({ bearer: REVOKED_GRANT }))).toBe('token-revoked');
  expect(grants.list(allowed).map((grant) => grants.stateOf(grant))).toEqual(['valid', 'revoked']);

  const usage = await openUsageLedger(state);
  expect(usage.publishedBytes(allowed.id)).toBe(100_000);
  expect(usage.isCounted('0SPuZvwIjJasZJY0I9CYhw')).toBe(true);
  const key = Buffer.from(await openSessionKey(state).make()).toString('base64url');
  expect(key).toBe(readFileSync(path.join(FIXTURES, 'session-key'), 'utf8').trim());
  const lastSeen = await openLastSeen(state);
  expect(lastSeen.atMs).toBe(WRITTEN_AT_MS);

  for (const name of readdirSync(FIXTURES))
    expect(readFileSync(path.join(directory, name), 'utf8')).toBe(
      readFileSync(path.join(FIXTURES, name), 'utf8'),
    );
  await usage.charge('another', [{ id: 'token:other' }], 1);
  await lastSeen.save(WRITTEN_AT_MS + 1);
  const wish = { name: 'more', principal: 'bob', path: '', scopes: ['read' as const] };
  await addToken(store, { ...wish, ...issueSecret(), expiresAtMs: undefined, quota: undefined });
  const json = (name: string) => JSON.parse(readFileSync(path.join(directory, name), 'utf8'));
  expect(json('usage.json')).toMatchObject({ version: 1, counted: ['0SPuZvwIjJasZJY0I9CYhw', 'another'] });
  expect(readFileSync(path.join(directory, 'last-seen'), 'utf8')).toBe('1796065089001\n');
  const { version, tokens: kept } = json('tokens.json');
  expect([version, kept.length, kept[2].name]).toEqual([2, 3, 'more']);
  expect(JSON.stringify(kept)).not.toContain('secret');
});
