/** What servers and proxies do to single connections, and what a client's connection makes of it. */
import { getEventListeners, once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { MessageChannel } from '../../src/base/message-channel.ts';
import { openConnection, type Connection } from '../../src/client/http/connection.ts';
import type { HttpRequest } from '../../src/client/http/http-message.ts';

interface Scene {
  readonly connection: Connection;
  readonly url: URL;
  /** The server's ends, in the order in which they came. */
  readonly sockets: Socket[];
  stopListening(): Promise<void>;
}

/** A server that answers each request of a connection as a test says: `said` is what came since the last answer. */
async function openScene(
  talk: (socket: Socket, said: string, number: number) => void,
  connections = 2,
): Promise<Scene> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    const number = sockets.push(socket);
    let said = '';
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      said += piece.toString('latin1');
      if (!said.includes('\r\n\r\n')) return;
      const whole = said;
      said = '';
      talk(socket, whole, number);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  const connection = await openConnection(url, { connections, silenceMs: 2000 });
  onTestFinished(async () => {
    await connection.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const stopListening = async (): Promise<void> => {
    // It is over at once; what it waits for are its connections.
    server.close();
  };
  return { connection, url, sockets, stopListening };
}

const head = (lengthBytes: number, ...more: string[]): string =>
  ['HTTP/1.1 200 OK', `Content-Length: ${lengthBytes}`, ...more, '', ''].join('\r\n');

async function textOf({ connection, url }: Scene, changes: Partial<HttpRequest> = {}): Promise<string> {
  return (await connection.exchange({ method: 'GET', url, ...changes })).text(1000);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

describe('connections that close with their answer', () => {
  const BYTES = 3 * 1024 * 1024;

  test.each(['Connection: close', 'Connection: keep-alive'])(
    'a connection that closes with its answer (%s) gives a slow reader all of it',
    async (field) => {
      const scene = await openScene((socket) => {
        socket.write(head(BYTES, field));
        socket.end(Buffer.alloc(BYTES, 7));
      });
      const { body } = await scene.connection.exchange({ method: 'GET', url: scene.url });
      let bytes = 0;
      for await (const piece of body) {
        // The end of the connection is there long before its reader has come so far.
        if (bytes === 0) await sleep(100);
        bytes += piece.byteLength;
      }
      expect(bytes).toBe(BYTES);
    },
  );

  test.each([
    ['is reset', (socket: Socket) => socket.resetAndDestroy()],
    ['ends', (socket: Socket) => socket.end()],
  ])(
    'a connection that %s before its answer is whole is a network error, also for a slow reader',
    async (_how, end) => {
      const scene = await openScene((socket) => {
        socket.write(head(BYTES, 'Connection: close'));
        socket.write(Buffer.alloc(BYTES / 2), () => end(socket));
      });
      const { body } = await scene.connection.exchange({ method: 'GET', url: scene.url });
      const reading = (async () => {
        for await (const _ of body) await sleep(1);
      })();
      expect(await codeOf(reading)).toBe('network');
    },
  );

  test('a connection that closes with its answer is not used for the next request', async () => {
    const scene = await openScene((socket) => socket.end(`${head(2, 'Connection: close')}ok`));
    for (let turn = 0; turn < 5; turn += 1) expect(await textOf(scene)).toBe('ok');
    expect(scene.sockets).toHaveLength(5);
  });
});

describe('answers', () => {
  test.each([
    ['100', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['102', 'HTTP/1.1 102 Processing\r\n\r\n'],
    ['103', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'],
    ['104', 'HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 3\r\n\r\n'],
    ['many', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(20)],
  ])('an answer is found behind interim answers that were not asked for (%s)', async (_which, interim) => {
    const scene = await openScene((socket) => socket.write(`${interim}${head(2)}ok`));
    expect(await textOf(scene)).toBe('ok');
    const body = { type: 'text/plain', lengthBytes: 3, pieces: [Buffer.from('abc')] };
    expect(await textOf(scene, { method: 'POST', body })).toBe('ok');
    expect(scene.sockets).toHaveLength(1);
  });

  test('an interim answer, followed by the end of the connection, is a network error', async () => {
    const scene = await openScene((socket) => socket.end('HTTP/1.1 104 Upload Resumption Supported\r\n\r\n'));
    expect(await codeOf(textOf(scene))).toBe('network');
  });

  test.each([
    ['in the middle of a piece', '5\r\nab'],
    ['between two pieces', '2\r\nab\r\n'],
    ['before its last line', '2\r\nab\r\n0\r\n'],
  ])('an answer in pieces without a length that is cut %s is noticed', async (_where, sent) => {
    const scene = await openScene((socket) =>
      socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${sent}`),
    );
    expect(await codeOf(textOf(scene))).toBe('network');
  });

  test('an answer that comes before the request was sent stops it, and its connection is not used again', async () => {
    const scene = await openScene((socket, said) => {
      if (said.startsWith('POST')) socket.write('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno');
      else if (said.startsWith('GET')) socket.write(`${head(2)}ok`);
    });
    let sent = 0;
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (; sent < 1000; sent += 1) yield Buffer.alloc(65_536);
    }
    const body = { type: 'text/plain', lengthBytes: 1000 * 65_536, pieces: pieces() };
    expect(await textOf(scene, { method: 'POST', body })).toBe('no');
    expect(sent).toBeLessThan(1000);
    expect(await textOf(scene)).toBe('ok');
    expect(scene.sockets).toHaveLength(2);
  });

  test('an answer that arrives on an idle connection is not taken for that of the next request', async () => {
    const scene = await openScene((socket) => socket.write(`${head(2)}ok`));
    expect(await textOf(scene)).toBe('ok');
    const [idle] = scene.sockets;
    const closed = once(idle!, 'close');
    idle!.write(`${head(4)}evil`);
    await closed;
    expect(await textOf(scene)).toBe('ok');
    expect(scene.sockets).toHaveLength(2);
  });

  test('bytes that are no HTTP mean another service in the first answer, and a broken line later', async () => {
    let answer = 'SSH-2.0-OpenSSH_9.2\r\n\r\n';
    const scene = await openScene((socket) => socket.write(answer));
    expect(await codeOf(textOf(scene))).toBe('not-a-cairn-server');
    answer = `${head(2)}ok`;
    expect(await textOf(scene)).toBe('ok');
    answer = '\u0000\u0001 rubbish\r\n\r\n';
    expect(await codeOf(textOf(scene))).toBe('network');
  });
});

describe('connections', () => {
  test('connections are used again, and no more are open than there may be', async () => {
    let open = 0;
    let most = 0;
    const scene = await openScene((socket) => {
      most = Math.max(most, (open += 1));
      setTimeout(() => {
        open -= 1;
        socket.write(`${head(2)}ok`);
      }, 5);
    });
    await Promise.all(Array.from({ length: 10 }, () => textOf(scene)));
    expect([most, scene.sockets.length]).toEqual([2, 2]);
    expect(scene.connection.closeIdle()).toBe(2);
    expect(await textOf(scene)).toBe('ok');
    expect(scene.sockets).toHaveLength(3);
  });

  test('a connection that the server is about to close is not used again', async () => {
    const scene = await openScene((socket) => socket.write(`${head(2, 'Keep-Alive: timeout=1')}ok`));
    expect(await textOf(scene)).toBe('ok');
    await once(scene.sockets[0]!, 'close');
    expect(await textOf(scene)).toBe('ok');
    expect(scene.sockets).toHaveLength(2);
  });

  test('requests do without connections that cannot be opened now, where others are in use', async () => {
    let refuse = (): void => undefined;
    const scene = await openScene((socket) => {
      refuse();
      setTimeout(() => socket.write(`${head(2)}ok`), 50);
    });
    const first = textOf(scene);
    // From now on nothing listens there.
    await new Promise<void>((resolve) => {
      refuse = () => void scene.stopListening().then(resolve);
    });
    expect(await Promise.all([first, textOf(scene), textOf(scene)])).toEqual(['ok', 'ok', 'ok']);
    expect(scene.sockets).toHaveLength(1);
  });

  test('a connection that breaks is replaced for the requests that wait for it', async () => {
    let number = 0;
    const scene = await openScene((socket) => {
      number += 1;
      if (number === 1) socket.destroy();
      else socket.write(`${head(2)}ok`);
    }, 1);
    const all = await Promise.allSettled(Array.from({ length: 4 }, () => textOf(scene)));
    expect(all.map(({ status }) => status).toSorted()).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
    ]);
  });

  test('requests on a connection, and those that wait for one, end with the reason of their signal', async () => {
    const scene = await openScene(() => undefined, 1);
    const stop = new AbortController();
    const asked = [1, 2, 3].map(() => codeOf(textOf(scene, { signal: stop.signal })));
    await sleep(20);
    stop.abort(new CairnError('interrupted', 'enough'));
    expect(await Promise.all(asked)).toEqual(['interrupted', 'interrupted', 'interrupted']);
  });
});

test.each([
  ['fewer', 'ab'],
  ['more', 'abcd'],
])('a request body with %s bytes than announced is a bug, and reported as one', async (_how, text) => {
  const scene = await openScene(() => undefined);
  const body = { type: 'text/plain', lengthBytes: 3, pieces: [Buffer.from(text)] };
  expect(await codeOf(textOf(scene, { method: 'POST', body }))).toBe('internal');
});

test('a refusal without a body leaves no listener at the signal', async () => {
  const scene = await openScene((socket) => socket.write('HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n'));
  const { signal } = new AbortController();
  expect(await codeOf(scene.connection.request({ method: 'HEAD', url: scene.url, signal }))).toBe('network');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('bytes that wait in the system are counted for a channel, too', async () => {
  const scene = await openScene((socket) => {
    socket.pause();
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other/1\r\n\r\n');
  });
  const { socket, early } = await scene.connection.upgrade({ method: 'GET', url: scene.url }, 'other/1');
  const channel = new MessageChannel(socket, early);
  onTestFinished(() => channel.close());
  channel.write(Buffer.alloc(64 * 1024 * 1024)).catch(() => undefined); // nobody reads it
  await vi.waitUntil(async () => (await scene.connection.unconfirmedBytes())! > 0, { timeout: 5000 });
});
