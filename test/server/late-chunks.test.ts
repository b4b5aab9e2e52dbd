/** Chunks that were on their way when the token of their push expired. */
import { expect, test } from 'vitest';
import type { Authenticator } from '../../src/server/access/authenticator.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, BOB, KINDS, openPush, openScene } from './by-hand.ts';

const HOUR_MS = 3_600_000;

test.each(KINDS)(
  'late chunks are taken for ten seconds after their token expired over %s, and nothing else is',
  async (kind) => {
    const life = { isRevoked: false };
    const short = createStaticToken(ALICE, {
      id: 'token:short',
      principal: 'alice',
      expiresAtMs: Date.now() + HOUR_MS,
    });
    const first: Authenticator = {
      authenticate: short.authenticate,
      stands: ({ id }) => (id === 'token:short' ? !life.isRevoked : undefined),
    };
    const second = createStaticToken(BOB, { id: 'token:next', principal: 'alice' });
    const scene = await openScene(kind, { authenticators: [first, second] });
    const transfer = transferOf(scene.stores.content, 'in', [directory(''), file('a', 4 * 65_536)]);
    const session = await openPush(scene, transfer);
    const codes = async (): Promise<unknown[]> => {
      const answers = [
        await session.post('POST', 'heartbeat'),
        await session.post('POST', 'sync'),
        await session.call('GET', 'checkpoint'),
        await session.commit(),
      ];
      return [...new Set(answers.map(({ json }) => json.code as string))];
    };
    scene.clock.aheadMs = HOUR_MS + 5000;
    expect((await session.putChunk(0)).status).toBe(200);
    expect(await codes()).toEqual(['token-expired']);
    life.isRevoked = true;
    expect((await session.putChunk(1)).json.code).toBe('token-revoked');
    life.isRevoked = false;
    scene.clock.aheadMs = HOUR_MS + 10_500;
    expect((await session.putChunk(1)).json.code).toBe('token-expired');
    // The next token goes on in the same epoch.
    const renewed = await session.call('POST', 'heartbeat', { token: BOB, body: '{}' });
    expect([renewed.status, session.terms.epoch]).toEqual([200, 1]);
    for (const chunk of [1, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
  },
);
