/** A store that takes no more records must still be able to make room. */
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, call, KINDS, openPush, openScene, until, type Scene } from './by-hand.ts';

function fill({ stores }: Scene): void {
  stores.sessions.replace = async () => {
    throw new CairnError('storage-full', 'the disk is full');
  };
}

describe.each(KINDS)('over %s', (kind) => {
  test('a session is aborted even if its end cannot be recorded', async () => {
    const scene = await openScene(kind);
    const session = await openPush(
      scene,
      transferOf(scene.stores.content, 'tree', [directory(''), file('a', 100_000)]),
    );
    await session.putChunk(0);
    fill(scene);
    expect((await session.call('DELETE', '')).status).toBe(200);
    expect(await scene.stores.content.listStaging()).toEqual([]);
    const { code } = (await session.putChunk(0)).json;
    expect(['session-aborted', 'session-not-found']).toContain(code);
    await scene.restart();
    expect((await session.resume()).json.code).toBe('session-not-found');
  });

  test('a session expires even if its end cannot be recorded', async () => {
    const scene = await openScene(kind, { leaseMs: 1000, limits: { collectEveryMs: 20 } });
    const session = await openPush(
      scene,
      transferOf(scene.stores.content, 'tree', [directory(''), file('a', 9)]),
    );
    await session.putChunk(0);
    fill(scene);
    scene.clock.aheadMs = 10_000;
    await until(async () => (await scene.stores.content.listStaging()).length === 0);
    const listed = await call(scene, 'GET', '/.cairn/v1/sessions', { token: ALICE });
    expect(listed.body.toString()).not.toContain(session.terms.session);
  });
});
