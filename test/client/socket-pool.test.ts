/** Sockets that are shared: what is given back is taken by the one that waits, at whatever moment that happens. */
import { once, setMaxListeners } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createSocketPool, type SocketPool } from '../../src/client/http/socket-pool.ts';

const KEEP_MS = 60_000;

/** A pool of at most so many sockets to a server that says nothing. */
async function openScene(max: number): Promise<{ pool: SocketPool; opened(): number }> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  let opened = 0;
  const pool = createSocketPool(async () => {
    opened += 1;
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  }, max);
  onTestFinished(() => {
    pool.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { pool, opened: () => opened };
}

const { signal } = new AbortController();
setMaxListeners(0, signal);

test('a socket that is given back right after another request asked for one goes to that request', async () => {
  const { pool, opened } = await openScene(1);
  const first = await pool.take(signal);
  const next = pool.take(signal);
  // In the same turn: the one that asks has looked for an idle one already, and is not in the queue yet.
  pool.giveBack(first, KEEP_MS);
  const taken = await Promise.race([next, once(AbortSignal.timeout(5000), 'abort')]);
  expect(taken).toBe(first);
  expect(opened()).toBe(1);
});

test('a pool never has more sockets than its bound, however they are asked for and given back', async () => {
  const { pool, opened } = await openScene(2);
  let inUse = 0;
  const work = async (): Promise<void> => {
    const socket = await pool.take(signal);
    inUse += 1;
    expect(inUse).toBeLessThanOrEqual(2);
    await Promise.resolve();
    inUse -= 1;
    pool.giveBack(socket, KEEP_MS);
  };
  await Promise.all(Array.from({ length: 50 }, work));
  expect(opened()).toBe(2);
});
