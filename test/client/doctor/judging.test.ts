import { describe, expect, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { failed, ok } from '../../../src/client/doctor/finding.ts';
import { compareClocks } from '../../../src/client/doctor/check-greeting.ts';
import { withinLimit } from '../../../src/client/doctor/check-time-limit.ts';
import { judgeSpace, judgeToken } from '../../../src/client/doctor/check-token.ts';
import type { WhoAmI } from '../../../src/wire/admin-messages.ts';

const NOW = 1_763_963_520_000;
const WHO: WhoAmI = {
  id: 'token:a',
  principal: 'alice',
  scopes: ['read', 'write'],
  path: '',
  expiresAtMs: null,
  quota: null,
  nowMs: NOW,
  freeBytes: 10 * 1024 ** 3,
};

describe('tokens', () => {
  test.each<[string, Partial<WhoAmI>, string, string]>([
    ['for all', {}, '/x', 'ok'],
    ['for what is below its path', { path: 'x' }, '/x/y', 'ok'],
    ['for its very path', { path: 'x/y' }, '/x/y', 'ok'],
    ['for another path', { path: 'x' }, '/xy', 'problem'],
    ['for something below', { path: 'x/y' }, '/x', 'problem'],
    ['that only looks after sessions', { scopes: ['admin'] }, '/x', 'warning'],
    ['that ends in ten minutes', { expiresAtMs: NOW + 600_000 }, '/x', 'warning'],
    ['that ends tomorrow', { expiresAtMs: NOW + 86_400_000 }, '/x', 'ok'],
    ['of a newer server with scopes of its own', { scopes: ['write', 'teleport'] }, '/x', 'ok'],
  ])('doctor judges a token %s by its right to the target and its end', (_what, changes, target, level) => {
    expect(judgeToken({ ...WHO, ...changes }, target).level).toBe(level);
  });

  test('doctor accepts a token that ends soon if it is renewed by itself', () => {
    const finding = judgeToken({ ...WHO, expiresAtMs: NOW + 60_000 }, '/x', true);
    expect([finding.level, finding.message]).toEqual(['ok', expect.stringContaining('renewed by itself')]);
  });
});

describe('room at the server', () => {
  test.each<[Partial<WhoAmI>, string[]]>([
    [{}, ['ok']],
    [{ freeBytes: 500 * 1024 ** 2 }, ['warning']],
    [{ freeBytes: 1024 ** 2 }, ['problem']],
    [{ freeBytes: null }, []],
    [{ scopes: ['read'], freeBytes: 0 }, []],
  ])('doctor judges the room at the server by what the server says of the token: %j', (changes, levels) => {
    expect(judgeSpace({ ...WHO, ...changes }).map(({ level }) => level)).toEqual(levels);
  });
});

describe('clocks', () => {
  test.each([
    [0, 'ok'],
    [29_000, 'ok'],
    [-29_000, 'ok'],
    [40_000, 'warning'],
    [-40_000, 'warning'],
  ])('doctor judges two clocks that are %i ms apart', (aheadMs, level) => {
    expect(compareClocks(new Date(NOW + aheadMs).toUTCString(), NOW + 500).level).toBe(level);
  });

  test.each([undefined, '', 'yesterday'])(
    'doctor warns where the server sends no date that it can read: %s',
    (date) => {
      expect(compareClocks(date, NOW).level).toBe('warning');
    },
  );
});

describe('checks', () => {
  const never = new AbortController().signal;

  test('a check of doctor that does not end is a problem by itself', async () => {
    const hanging = (): Promise<never> => new Promise(() => undefined);
    expect(await withinLimit('upload', 20, never, hanging)).toEqual([
      expect.objectContaining({ check: 'upload', level: 'problem', code: 'timeout' }),
    ]);
  });

  test('a check of doctor that fails is a problem with its code, and a bug passes through', async () => {
    const failing = async (): Promise<never> => {
      throw new CairnError('storage-full', 'the disk is full');
    };
    expect(await withinLimit('upload', 1000, never, failing)).toMatchObject([{ code: 'storage-full' }]);
    const broken = async (): Promise<never> => {
      throw new TypeError('x is not a function');
    };
    await expect(withinLimit('upload', 1000, never, broken)).rejects.toThrow(TypeError);
  });

  test('a check of doctor ends with the reason of an aborted signal', async () => {
    const outer = new AbortController();
    const reason = new CairnError('interrupted', 'interrupted');
    const running = withinLimit('upload', 10_000, outer.signal, () => new Promise(() => undefined));
    outer.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(withinLimit('upload', 1, outer.signal, async () => [ok('upload', '')])).rejects.toBe(reason);
  });

  test('doctor reports the cause of an error, and not that retries were given up', () => {
    const cause = new CairnError('network', 'nothing listens there');
    const wrapped = new CairnError('network', 'nothing listens there (given up after 0 s)', { cause });
    expect(failed('server', wrapped).message).toBe('nothing listens there');
  });
});
