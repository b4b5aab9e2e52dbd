import { expect, test } from 'vitest';
import { accessSentence, credentialName } from '../../../../src/base/access-text.ts';
import { momentText } from '../../../../src/base/moment-text.ts';
import { tokenSentence } from '../../../../src/cli/commands/token/token-table.ts';
import { judgeToken } from '../../../../src/client/doctor/check-token.ts';

test('a token is shown by its name alone', () => {
  expect(credentialName('token:backup.AbCdEf_-1234')).toBe('token "backup"');
  expect(credentialName('token:my.backup')).toBe('token "my.backup"');
  expect(credentialName('oidc:https://issuer.example#alice')).toBe('oidc:https://issuer.example#alice');
});

test('names of an access from the other side cannot write on the terminal', () => {
  const access = {
    id: 'token:\u001b[2J',
    owner: 'a\nb',
    scopes: ['\u0007'],
    path: 'x\u001b',
    expiresAtMs: null,
  };
  expect(accessSentence(access)).not.toMatch(/\p{Cc}/u);
});

test('doctor and token create describe a token in the same words', () => {
  const expiresAtMs = Date.parse('2099-01-01T00:00:00Z');
  const scopes: ('read' | 'write')[] = ['read', 'write'];
  const id = 'backup.AbCdEf_-1234';
  const created = tokenSentence({
    id,
    name: 'backup',
    principal: 'alice',
    scopes,
    path: 'backups',
    hash: '',
    createdAt: '2026-01-01T00:00:00Z',
    expiresAt: new Date(expiresAtMs).toISOString(),
  });
  const who = { id: `token:${id}`, principal: 'alice', scopes, path: 'backups', expiresAtMs };
  const found = judgeToken({ ...who, quota: null, nowMs: 0, freeBytes: null }, '/backups/x');
  expect(found.message).toBe(created);
  expect(created).toBe(
    `token "backup" of owner alice: read, write at /backups and below, until ${momentText(expiresAtMs)}`,
  );
});
