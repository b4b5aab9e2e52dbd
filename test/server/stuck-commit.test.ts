/** A commit that failed, and whose client has lost what it would repeat it with: found by the simulation. */
import { expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { directory, file, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, call, establishRequest, interceptChunks, openPush, openScene, until } from './by-hand.ts';

test('a commit that failed goes on when a client asks for a session of the same entries', async () => {
  let isFull = true;
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(content, (chunks) => ({
        publish: async (order) => {
          if (isFull) throw new CairnError('storage-full', 'the disk is full');
          await chunks.publish(order);
        },
      })),
  });
  const transfer = transferOf(scene.stores.content, 'in', [directory(''), file('a', 65_536)]);
  const session = await openPush(scene, transfer);
  await session.putChunk(0);
  expect((await session.commit()).json.code).toBe('storage-full');
  isFull = false;
  const request = { ...establishRequest(transfer, 'push', '/in'), manifestId: transfer.manifest.id };
  const ask = () =>
    call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body: JSON.stringify(request) });
  expect((await ask()).json.state).toBe('committing');
  // What was asked for is published then, and a new session finds it there.
  await until(async () => (await ask()).status === 201);
  expect((await scene.stores.content.lookup(['in/a']))[0]?.entry.sizeBytes).toBe(65_536);
});
