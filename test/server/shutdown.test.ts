/** The end of a server under which something does not end. */
import { expect, onTestFinished, test } from 'vitest';
import { file, transferOf, chunkCountOf } from '../suites/staged-transfer.ts';
import { ALICE, call, interceptChunks, openPush, openScene, until } from './by-hand.ts';

test('a server ends though a tree that is being published does not, after a sync point of the other sessions', async () => {
  let isPublishing = false;
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(content, () => ({
        publish: () => {
          isPublishing = true;
          return held;
        },
      })),
  });
  onTestFinished(() => letGo());
  const sample = transferOf(scene.stores.content, 'big', [file('', 100_000)]);
  const stuck = await openPush(scene, sample);
  for (let chunk = 0; chunk < chunkCountOf(sample); chunk += 1) await stuck.putChunk(chunk);
  const other = await openPush(scene, transferOf(scene.stores.content, 'other', [file('', 1000)]));
  void stuck.commit().catch(() => undefined); // its connection is cut
  await until(async () => isPublishing);
  await scene.server.drain({ graceMs: 10 });
  const kept = await scene.stores.sessions.get(other.grant.session);
  expect(kept?.state).toBe('suspended');
  expect(scene.logged.join('\n')).toContain('ended with work under way');
  expect(await call(scene, 'GET', '/', { token: ALICE }).catch(() => 'gone')).toBe('gone');
});
