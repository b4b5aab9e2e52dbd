/** Servers that close a connection at every moment of a request: what waits for it ends, and the next request is made. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SocketGuard } from '../../src/client/api/reach.ts';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { whenOpen } from '../../src/client/http/connecting.ts';
import { openConnection, type Connection } from '../../src/client/http/connection.ts';
import type { HttpRequest } from '../../src/client/http/http-message.ts';

interface Scene {
  readonly connection: Connection;
  readonly url: URL;
  /** The server's ends, in the order in which they came. */
  readonly sockets: Socket[];
}

/** A server whose connections are told their number and each piece that the client sends; the client has one at a time. */
async function openScene(
  talk: (socket: Socket, number: number, said: string) => void,
  guard?: SocketGuard,
): Promise<Scene> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const number = sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => talk(socket, number, piece.toString('latin1')));
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const connection = await openConnection(url, { connections: 1, guard });
  onTestFinished(async () => {
    await connection.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { connection, url, sockets };
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n';

const get = ({ url }: Scene): HttpRequest => ({ method: 'GET', url });
const put = ({ url }: Scene): HttpRequest => {
  const piece = Buffer.alloc(65_536);
  const pieces = Array.from({ length: 40 }, () => piece);
  return { method: 'PUT', url, body: { type: 'text/plain', lengthBytes: 40 * 65_536, pieces } };
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

async function textOf({ connection }: Scene, request: HttpRequest): Promise<string> {
  return (await connection.exchange(request)).text(1000);
}

const CLOSINGS: Record<string, (socket: Socket) => void> = {
  'ends': (socket) => void socket.end(),
  'is reset': (socket) => void socket.resetAndDestroy(),
};
const MOMENTS: Record<string, string> = {
  'before the head': '',
  'inside the first line': 'HTTP/1.1 20',
  'inside the head': 'HTTP/1.1 200 OK\r\nContent-Le',
  'after an interim answer': 'HTTP/1.1 103 Early Hints\r\n\r\n',
  'inside the body': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab',
  'before the first byte of the body': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n',
  'inside a piece of a body without a length': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab',
  'after an answer that switches to what nobody asked for': SWITCHING,
};
const ENDINGS = Object.entries(CLOSINGS).flatMap(([how, close]) =>
  Object.entries(MOMENTS).map(([when, said]) => [how, when, said, close] as const),
);

describe('requests on closing connections', () => {
  test.each(ENDINGS)(
    'a request whose connection %s %s fails, and the next request has its answer',
    async (_how, _when, said, close) => {
      for (const request of [get, put]) {
        const scene = await openScene((socket, number) => {
          if (number > 1) socket.write(OK);
          else if (said === '') close(socket);
          else socket.write(said, () => close(socket));
        });
        expect(await codeOf(textOf(scene, request(scene)))).toBe('network');
        expect(await textOf(scene, get(scene))).toBe('ok');
      }
    },
  );

  test.each(ENDINGS)(
    'an upgrade whose connection %s %s fails or is switched, and the next request has its answer',
    async (_how, _when, said, close) => {
      const scene = await openScene((socket, number) => {
        if (number > 1) socket.write(OK);
        else if (said === '') close(socket);
        else socket.write(said, () => close(socket));
      });
      const code = await codeOf(scene.connection.upgrade(get(scene), 'other/1'));
      if (said === SWITCHING) expect(['none', 'network']).toContain(code);
      else expect(['network', 'internal']).toContain(code);
      expect(await textOf(scene, get(scene))).toBe('ok');
    },
  );

  test('a request that is answered by a switch of protocols fails, and the client closes the connection', async () => {
    const scene = await openScene((socket, number) => socket.write(number > 1 ? OK : SWITCHING));
    expect(await codeOf(textOf(scene, get(scene)))).toBe('network');
    if (!scene.sockets[0]!.readableEnded) await once(scene.sockets[0]!, 'end');
    expect(await textOf(scene, get(scene))).toBe('ok');
  });

  test('requests to a server that closes after each answer do not all fail', async () => {
    const scene = await openScene((socket, number) => {
      socket.write(OK, () => (number % 2 === 0 ? socket.end() : socket.resetAndDestroy()));
    });
    let answers = 0;
    for (let turn = 0; turn < 40; turn += 1)
      if ((await codeOf(textOf(scene, get(scene)))) === 'none') answers += 1;
    expect(answers).toBeGreaterThan(0);
  });

  test('a request that is answered before it was sent, and closed, fails or has its answer', async () => {
    const scene = await openScene((socket, number) => {
      if (number > 1) socket.write(OK);
      else socket.end('HTTP/1.1 503 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
    });
    const asked = put(scene);
    expect(['no', 'network']).toContain(await textOf(scene, asked).catch((error) => error.code));
    expect(await textOf(scene, get(scene))).toBe('ok');
  });
});

describe('connections', () => {
  test('a connection that closes while its guard looks at it leaves its place to the next one', async () => {
    let looks = 0;
    const scene = await openScene(
      (socket) => void socket.write(OK),
      async (socket) => {
        looks += 1;
        if (looks > 3) return;
        socket.destroy();
        await once(socket, 'close');
      },
    );
    for (let turn = 0; turn < 3; turn += 1) expect(await codeOf(textOf(scene, get(scene)))).toBe('network');
    expect(await textOf(scene, get(scene))).toBe('ok');
  });

  test('a request does not wait for a connection that is being opened once its signal is aborted', async () => {
    const looks: (() => void)[] = [];
    const scene = await openScene(
      (socket) => void socket.write(OK),
      () => new Promise((resolve) => void looks.push(resolve)),
    );
    const [opening, waiting] = [new AbortController(), new AbortController()];
    const asked = [opening, waiting].map(({ signal }) => codeOf(textOf(scene, { ...get(scene), signal })));
    const next = textOf(scene, get(scene));
    while (looks.length === 0) await new Promise(setImmediate);
    for (const controller of [opening, waiting]) controller.abort(new CairnError('interrupted', 'enough'));
    expect(await Promise.all(asked)).toEqual(['interrupted', 'interrupted']);
    // What is opened in the end was for nobody: the one that still waits gets another.
    looks[0]!();
    while (looks.length === 1) await new Promise(setImmediate);
    looks[1]!();
    expect(await next).toBe('ok');
  });

  test('a connection that was opened for a request that gave up leaves its place to the next one', async () => {
    const looks: (() => void)[] = [];
    const scene = await openScene(
      (socket, number) => void (number === 1 ? socket.destroy() : socket.write(OK)),
      () =>
        new Promise((resolve) =>
          looks.length === 0 ? resolve(void looks.push(resolve)) : void looks.push(resolve),
        ),
    );
    const first = codeOf(textOf(scene, get(scene)));
    const controller = new AbortController();
    const second = codeOf(textOf(scene, { ...get(scene), signal: controller.signal }));
    const third = textOf(scene, get(scene));
    expect(await first).toBe('network');
    while (looks.length < 2) await new Promise(setImmediate);
    controller.abort(new CairnError('interrupted', 'enough'));
    expect(await second).toBe('interrupted');
    looks[1]!();
    while (looks.length < 3) await new Promise(setImmediate);
    looks[2]!();
    expect(await third).toBe('ok');
  });

  test('a socket that is closed without an error before it is open counts as reset', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const opened = new Promise<unknown>((resolve) =>
      whenOpen(socket, 'connect', 60_000, (...[error]) => resolve(error)),
    );
    socket.destroy();
    expect(await opened).toMatchObject({ code: 'ECONNRESET' });
    const again = new Promise<unknown>((resolve) =>
      whenOpen(socket, 'connect', 60_000, (...[error]) => resolve(error)),
    );
    expect(await again).toMatchObject({ code: 'ECONNRESET' });
  });
});

test.each([650_000, 670_000, 690_000])(
  'an answer of %i bytes that arrived whole before its signal was aborted is not cut short',
  async (lengthBytes) => {
    const scene = await openScene((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${lengthBytes}\r\n\r\n`);
      socket.write(Buffer.alloc(lengthBytes));
    });
    const controller = new AbortController();
    const { body } = await scene.connection.exchange({ ...get(scene), signal: controller.signal });
    let bytes = 0;
    const reading = (async () => {
      for await (const piece of body) {
        bytes += piece.byteLength;
        // Some of the rest waits for its reader in Node's own memory, and some in ours.
        await sleep(50);
        controller.abort(new CairnError('interrupted', 'enough'));
      }
    })();
    const code = await codeOf(reading);
    expect(code === 'interrupted' || bytes === lengthBytes).toBe(true);
  },
);
