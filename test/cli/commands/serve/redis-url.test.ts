import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, it } from 'vitest';
import { parseRedisUrl } from '../../../../src/cli/commands/serve/redis-url.ts';
import { openServedRedis } from '../../../../src/cli/commands/serve/serve-redis.ts';
import { CairnError } from '../../../../src/base/errors.ts';
import { hasRedis, startRedis } from '../../../support/redis.ts';

const log = { info: () => undefined, warn: () => undefined };

it.each([
  ['redis://cache', { host: 'cache', port: 6379, isTls: false, database: 0, shown: 'redis://cache' }],
  ['valkey://10.0.0.5:7000/3', { host: '10.0.0.5', port: 7000, isTls: false, database: 3 }],
  [
    'rediss://[::1]:6380/',
    { host: '::1', port: 6380, isTls: true, database: 0, shown: 'rediss://[::1]:6380' },
  ],
  ['valkeys://cache', { host: 'cache', port: 6379, isTls: true }],
])('%s names a Redis', (word, expected) => {
  const url = parseRedisUrl('--redis', word, 'command line');
  expect(url).toMatchObject({ ...expected, username: undefined, password: undefined });
});

it('a user and a password stand in the URL of the environment, and are not shown', () => {
  const url = parseRedisUrl('--redis', 'redis://cairn:p%40ss@cache:1/2', 'environment');
  expect(url).toMatchObject({ username: 'cairn', password: 'p@ss', shown: 'redis://cache:1/2' });
});

it.each(['redis://:secret@cache', 'redis://user@cache', 'secret@cache', 'redis://cache/@secret'])(
  '%s is refused on the command line, and not shown',
  (word) => {
    const parse = (): unknown => parseRedisUrl('--redis', word, 'command line');
    expect(parse).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(parse).toThrow(/CAIRN_REDIS_PASSWORD/);
    expect(parse).not.toThrow(/secret/);
  },
);

it.each([
  'cache:6379',
  'http://cache',
  'redis:///1',
  'redis://cache/x',
  'redis://cache/1?a=b',
  'redis://cache#x',
  '',
])('"%s" is no URL of a Redis', (word) => {
  const parse = (): unknown => parseRedisUrl('--redis', word, 'environment');
  expect(parse).toThrow(expect.objectContaining({ code: 'usage' }));
});

it.each([
  'redis://:sec/ret@cache',
  'redis://:sec#ret@cache',
  'redis://u:12/sec@cache',
  'redis://:sec ret',
  'sec@cache',
])('a password that is not percent-encoded, as in %s of the environment, is not shown', (word) => {
  const parse = (): unknown => parseRedisUrl('CAIRN_REDIS', word, 'environment');
  expect(parse).toThrow(/^CAIRN_REDIS takes/);
  expect(parse).not.toThrow(/sec/);
});

it('a password with a lone percent sign is refused without being shown', () => {
  const parse = (): unknown => parseRedisUrl('--redis', 'redis://:se%cret@cache', 'environment');
  expect(parse).toThrow(/percent-encoded/);
  expect(parse).not.toThrow(/cret@/);
});

it.skipIf(!hasRedis)(
  'the password of a real Redis, which has to be installed, comes from a variable, or from a file that nobody else can read',
  async () => {
    const { url } = await startRedis(['--requirepass', 'right word']);
    const place = parseRedisUrl('--redis', url, 'command line');
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'cairn-redis-')), 'password');
    writeFileSync(file, 'right word\n', { mode: 0o600 });
    const open = async (env: Record<string, string>): Promise<number | undefined> => {
      const memory = await openServedRedis(place, 'store', { env, log });
      try {
        return (await memory.count('k', 60_000))?.count;
      } finally {
        memory.close();
      }
    };
    expect(await open({ CAIRN_REDIS_PASSWORD: 'right word' })).toBe(1);
    expect(await open({ CAIRN_REDIS_PASSWORD_FILE: file })).toBe(2);
    for (const env of [{}, { CAIRN_REDIS_PASSWORD: 'wrong' }])
      await expect(open(env)).rejects.toThrow(expect.objectContaining({ code: 'config-invalid' }));
  },
);

it('a file of the password that others may read, or that is missing, is refused', async () => {
  const place = parseRedisUrl('--redis', 'redis://127.0.0.1:1', 'command line');
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'cairn-redis-')), 'password');
  writeFileSync(file, 'word', { mode: 0o644 });
  for (const each of [file, `${file}.missing`]) {
    const opened = openServedRedis(place, 'store', { env: { CAIRN_REDIS_PASSWORD_FILE: each }, log });
    const error = await opened.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CairnError);
    expect(error).toMatchObject({ code: 'config-invalid' });
  }
});
