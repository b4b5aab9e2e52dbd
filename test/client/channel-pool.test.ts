/** Who waits for a channel that is open is told when it closes, and nobody waits for what is not to come. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createChannelPool, type ChannelPool } from '../../src/client/http/channel-pool.ts';
import { openConnection, type Connection } from '../../src/client/http/connection.ts';

const PACE = { idleMs: 30_000, headersMs: 60_000, minRate: 1, overMs: 60_000 };

interface Scene {
  readonly pool: ChannelPool;
  /** The server's ends. */
  readonly sockets: Socket[];
}

/** A pool over sockets of which only so many can be opened. */
async function openScene(
  most: number,
  change: (socket: Socket) => Promise<void> = async () => {},
): Promise<Scene> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const root = new URL(`http://127.0.0.1:${port}/.cairn/v1/`);
  let opened = 0;
  const connection: Connection = {
    ...(await openConnection(root, { connections: 1 })),
    upgrade: async () => {
      opened += 1;
      if (opened > most)
        throw new CairnError('network', 'no connection', { details: { isUnconnected: true } });
      const socket = connect(port, '127.0.0.1').on('error', () => undefined);
      await once(socket, 'connect');
      await change(socket);
      return { socket, early: new Uint8Array() };
    },
  };
  const pool = createChannelPool({ connection, root, pace: PACE, pauseMs: 60_000 });
  onTestFinished(() => {
    pool.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { pool, sockets };
}

test.each([1, 2])(
  'requests that wait for %i open channels go the usual way once these have closed',
  async (most) => {
    const { pool, sockets } = await openScene(most);
    const channels = await Promise.all(Array.from({ length: most }, () => pool.take(undefined)));
    for (const channel of channels) pool.proved(channel!, true);
    const takers = Array.from({ length: 8 }, () => pool.take(undefined));
    while (sockets.length < most) await new Promise(setImmediate);
    for (const socket of sockets) socket.resetAndDestroy();
    expect(await Promise.all(takers)).toEqual(Array.from({ length: 8 }, () => undefined));
  },
);

test('requests that wait for a channel go on without one when the pool is closed', async () => {
  const { pool } = await openScene(1);
  pool.proved((await pool.take(undefined))!, true);
  const takers = Array.from({ length: 8 }, () => pool.take(undefined));
  await new Promise(setImmediate);
  pool.close();
  expect(await Promise.all(takers)).toEqual(Array.from({ length: 8 }, () => undefined));
});

test('requests do not wait for a channel that closed before the pool took it over', async () => {
  const { pool } = await openScene(1, async (socket) => {
    socket.destroy();
    await once(socket, 'close');
  });
  const takers = Array.from({ length: 8 }, () => pool.take(undefined));
  expect(await Promise.all(takers)).toEqual(Array.from({ length: 8 }, () => undefined));
});

test('a request that is aborted before it has a channel does not wait for one', async () => {
  const { pool } = await openScene(1);
  pool.proved((await pool.take(undefined))!, true);
  const waiting = pool.take(undefined);
  const reason = new CairnError('interrupted', 'enough');
  await expect(pool.take(AbortSignal.abort(reason))).rejects.toBe(reason);
  pool.close();
  expect(await waiting).toBeUndefined();
});
