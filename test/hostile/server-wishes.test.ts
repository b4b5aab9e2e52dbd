/** What a hostile server wants of a push, or says that it has: nothing leaves that was not offered. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { endOf, grant, json, problem, setTrap } from './support/liar.ts';

describe('pushes', () => {
  const source = (): string => {
    const directory = temporaryDirectory();
    mkdirSync(path.join(directory, 'tree'));
    writeFileSync(path.join(directory, 'tree/offered'), 'offered');
    writeFileSync(path.join(directory, 'secret'), 'never offered');
    return path.join(directory, 'tree');
  };
  const serve = (comparison: object, more: Parameters<typeof setTrap>[0] = () => false) =>
    setTrap(
      async (asked) => {
        const { route, response, method } = asked;
        if (route === 'sessions') json(response, grant({ direction: 'push' }), 201);
        else if (route?.endsWith('/manifest') === true && method === 'PUT') json(response, comparison);
        else return more(asked);
        return true;
      },
      { chunks: [Buffer.alloc(7)] },
      { checksum: true },
    );

  test.each([
    [{ have: [], attributes: [], candidates: [2, 1] }],
    [{ have: [], attributes: [], candidates: [0, 1_000_000_000] }],
    [{ have: [2 ** 52, 1], attributes: [], candidates: [] }],
    [{ have: [0, 1, 0, 1], attributes: [], candidates: [] }],
    [{ have: [-1, 1], attributes: [], candidates: [] }],
    [{ have: [], attributes: [0.5, 1], candidates: [] }],
    [{ have: [], attributes: [], candidates: ['../secret'] }],
    [{ have: [], attributes: [], candidates: Array.from({ length: 100_001 }, () => 0) }],
  ])('a push ends when the server wants what was not offered (%#)', async (comparison) => {
    const trap = await serve(comparison);
    expect(await endOf(push([source()], trap.options))).toBe('invalid-request');
    expect(trap.asked.some(({ line }) => line.includes('/chunks/'))).toBe(false);
  });

  test('a push ends when the server answers digests without an end, or digests that were not asked for', async () => {
    const comparison = { have: [], attributes: [], candidates: [1, 1] };
    const digest = 'a'.repeat(64);
    for (const line of [`[7,"${digest}"]\n`, `[1,"${digest}"]\n`, `[1e9,null]\n`]) {
      const trap = await serve(comparison, ({ route, response }) => {
        if (route?.endsWith('/digests') !== true) return false;
        response.writeHead(200);
        const flood = (): void => {
          while (!response.destroyed && response.write(line.repeat(1000)));
          if (!response.destroyed) response.once('drain', flood);
        };
        flood();
        return true;
      });
      expect(await endOf(push([source()], trap.options))).toBe('invalid-request');
    }
  });

  test.each([
    [{ runs: [0, 2 ** 52], digests: '' }, []],
    [{ runs: [0, 1_000_000_000], digests: '' }, []],
    [{ runs: [0, 1], digests: 'AAAA' }, []],
    [{ runs: [5, 1], digests: 'AAAAAAAAAAA=' }, []],
    [{ runs: [], digests: '' }, [[0, 2 ** 60]]],
    [{ runs: [], digests: '' }, [[2 ** 40, 5]]],
    [{ runs: [], digests: '' }, [[0, -1]]],
  ])(
    'a push ends, and sends nothing that it did not offer, when a checkpoint says %j',
    async (chunks, partial) => {
      const plan = { have: [], attributes: [] };
      const trap = await setTrap(
        ({ route, response, method, body }) => {
          if (route === 'sessions') {
            const { manifestId } = JSON.parse(body) as { manifestId: string };
            json(response, grant({ direction: 'push', state: 'open', manifestId, resumed: true }), 200);
          } else if (route?.endsWith('/checkpoint') === true) json(response, { plan, chunks, held: partial });
          else if (method === 'PUT' && route?.includes('/chunks/') === true)
            json(response, { syncPoint: 1, durableSyncPoint: 1 });
          else return false;
          return true;
        },
        { chunks: [Buffer.alloc(7)] },
      );
      expect(await endOf(push([source()], trap.options))).toMatch(
        /^(invalid-request|chunk-out-of-range|journal-corrupt)$/,
      );
      for (const { line } of trap.asked) expect(line).not.toMatch(/chunks\/(?!0$)/);
    },
  );

  test.each([
    ['chunks-missing', { runs: [0, 1_000_000_000] }],
    ['chunks-missing', { runs: [-1, 1] }],
    ['chunks-missing', { runs: [7, 1] }],
    ['chunks-missing', { runs: [0, 1] }],
    ['digest-mismatch', {}],
  ])('a push ends when its commit is refused with %s %j again and again', async (code, details) => {
    const trap = await serve({ have: [], attributes: [], candidates: [] }, ({ route, response, method }) => {
      if (method === 'PUT' && route?.includes('/chunks/') === true)
        json(response, { syncPoint: 1, durableSyncPoint: 1 });
      else if (route?.endsWith('/commit') === true) problem(response, 409, { code, detail: 'no', details });
      else return false;
      return true;
    });
    expect(await endOf(push([source()], trap.options), 20_000)).toMatch(
      /chunks-missing|digest-mismatch|invalid-request|network/,
    );
  });

  test('a push ends when the server says that it committed something else', async () => {
    const trap = await serve({ have: [], attributes: [], candidates: [] }, ({ route, response, method }) => {
      if (method === 'PUT' && route?.includes('/chunks/') === true)
        json(response, { syncPoint: 1, durableSyncPoint: 1 });
      else if (route?.endsWith('/commit') === true)
        json(response, { state: 'committed', entriesDone: 1, entriesTotal: 1, digest: '0'.repeat(64) });
      else return false;
      return true;
    });
    expect(await endOf(push([source()], trap.options))).toBe('digest-mismatch');
  });
});
