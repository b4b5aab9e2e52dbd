import { connect as connectTo, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { Connect } from '../../src/client/http/connecting.ts';
import { keepReady, type ReadySockets } from '../../src/client/http/ready-sockets.ts';

interface Line {
  readonly ready: ReadySockets;
  /** The server's ends, in the order in which they came. */
  readonly accepted: Socket[];
  /** Connects as the pool does. */
  take(told?: () => void): Promise<Socket>;
}

async function openLine(onSocket: (socket: Socket) => void = () => undefined): Promise<Line> {
  const accepted: Socket[] = [];
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const connect: Connect = (target, done) => {
    const socket = connectTo(target.port, target.hostname);
    socket.once('connect', () => done(null, socket)).on('error', (error) => done(error, null));
  };
  const ready = keepReady(connect);
  onTestFinished(() => {
    ready.close();
    for (const socket of accepted) socket.destroy();
    server.close();
  });
  const target = { hostname: '127.0.0.1', port };
  return {
    ready,
    accepted,
    take: (told) =>
      new Promise((resolve, reject) => {
        ready.connect(target, (...[error, socket]) => {
          onTestFinished(() => void socket?.destroy());
          told?.();
          if (error === null) resolve(socket);
          else reject(error);
        });
      }),
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}

test('sockets that were opened ahead are taken before new ones are made', async () => {
  const { ready, accepted, take } = await openLine();
  await take();
  ready.openAhead(2);
  await until(() => accepted.length === 3);
  const [first, second] = [await take(), await take()];
  expect(accepted).toHaveLength(3);
  expect(first.localPort).not.toBe(second.localPort);
  second.write('it lives');
  const heard = accepted.find(({ remotePort }) => remotePort === second.localPort)!;
  expect(String((await once(heard, 'data'))[0])).toBe('it lives');
  await take();
  await until(() => accepted.length === 4);
});

test('a socket that was opened ahead and is still connecting is waited for', async () => {
  const { ready, accepted, take } = await openLine();
  await take();
  ready.openAhead(1);
  await take();
  await sleep(20);
  expect(accepted).toHaveLength(2);
});

test('a socket that was opened ahead is handed out only after the call that asks for it has returned', async () => {
  const { ready, accepted, take } = await openLine();
  await take();
  ready.openAhead(1);
  await until(() => accepted.length === 2);
  await sleep(20);
  let isTold = false;
  const told = take(() => (isTold = true));
  expect(isTold).toBe(false);
  await told;
  expect(isTold).toBe(true);
});

test('a socket that was opened ahead and then refused or closed is not handed out', async () => {
  let refused = 0;
  const { ready, accepted, take } = await openLine((socket) => {
    if (accepted.length === 2) socket.write('HTTP/1.1 503 Service Unavailable\r\n\r\n', () => (refused += 1));
    if (accepted.length === 3) socket.resetAndDestroy();
  });
  await take();
  ready.openAhead(2);
  await until(() => accepted.length === 3 && refused === 1);
  await sleep(50);
  const socket = await take();
  await until(() => accepted.length === 4);
  expect(accepted.findIndex(({ remotePort }) => remotePort === socket.localPort)).toBe(3);
});

test('sockets that were opened ahead and not taken are closed in the end, also while they connect', async () => {
  const { ready, accepted, take } = await openLine((socket) => void socket.resume());
  await take();
  ready.openAhead(1);
  await until(() => accepted.length === 2);
  await sleep(20);
  ready.openAhead(1);
  ready.close();
  await until(() => accepted.length === 3);
  await until(() => accepted.slice(1).every(({ closed }) => closed));
});

test('no socket is opened ahead before a first connection has shown where to', async () => {
  const { ready, accepted } = await openLine();
  ready.openAhead(3);
  await sleep(20);
  expect(accepted).toHaveLength(0);
});
