/** The end of a server under which something does not end. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { startServer } from '../../src/server/server.ts';
import { file, transferOf, chunkCountOf } from '../suites/staged-transfer.ts';
import { ALICE, call, interceptChunks, openPush, openScene, until } from './by-hand.ts';

test('a server ends while a tree is being published, after a sync point of the other sessions', async () => {
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
  const kept = await scene.stores.sessions.get(other.terms.session);
  expect(kept?.state).toBe('suspended');
  expect(scene.logged.join('\n')).toContain('ended with work under way');
  expect(await call(scene, 'GET', '/', { token: ALICE }).catch(() => 'gone')).toBe('gone');
});

test('a server that cannot start closes the connections that came meanwhile', async () => {
  const scene = await openScene('memory');
  let client: Socket | undefined;
  const starting = startServer({
    ...scene.stores,
    authenticators: [createStaticToken('x')],
    listen: { host: '127.0.0.1', port: 0 },
    version: '0.0.0-test',
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    onListening: async ({ port }) => {
      client = connect(port, '127.0.0.1');
      client.on('error', () => undefined).resume();
      client.write('GET /.cairn/v1/ HTTP/1.1\r\nHost: x\r\n\r\n');
      await once(client, 'connect');
      // As long as another connection takes, which came after it.
      const second = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(second, 'connect');
      second.destroy();
      await once(second, 'close');
      throw new CairnError('state-locked', 'another server has this state');
    },
  });
  await expect(starting).rejects.toMatchObject({ code: 'state-locked' });
  if (!client!.closed) await once(client!, 'close');
});
