/** Chunks over channels, as a client moves them, and what it does where there are none. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createChannels, type Channels } from '../../src/client/http/channel-requests.ts';
import { openConnection } from '../../src/client/http/connection.ts';
import type { HttpRequest } from '../../src/client/http/http-message.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { KINDS, openScene } from './support/scene.ts';

const ROOT = '/.cairn/v1/';
const SWITCHING =
  'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: cairn-channel/1\r\n\r\n';

/** A server that takes connections as a test tells it: what each has said so far comes with every piece. */
async function startServer(
  talk: (socket: Socket, said: string, number: number) => void,
): Promise<{ url: URL; connections(): number }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    const number = connections;
    let said = '';
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      said += piece.toString('latin1');
      talk(socket, said, number);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${ROOT}`),
    connections: () => connections,
  };
}

async function openChannels(root: URL, silenceMs?: number, pauseMs?: number): Promise<Channels> {
  const connection = await openConnection(root, { connections: 4, pace: undefined });
  const channels = createChannels(connection, { root, silenceMs, pauseMs });
  onTestFinished(async () => {
    channels.close();
    await connection.close();
  });
  return channels;
}

const get = (root: URL, changes: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url: new URL('sessions/x/chunks/0', root),
  ...changes,
});

const put = (root: URL, pieces: AsyncIterable<Uint8Array>, lengthBytes: number): HttpRequest =>
  get(root, { method: 'PUT', body: { type: 'application/octet-stream', lengthBytes, pieces } });

async function* zeros(count: number, bytes = 65_536): AsyncGenerator<Uint8Array> {
  for (let piece = 0; piece < count; piece += 1) yield Buffer.alloc(bytes);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'none';
  } catch (error) {
    return error instanceof CairnError ? error.code : String(error);
  }
}

const answerTo = (body: string, status = '200 OK'): string =>
  `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

describe.each(KINDS)('channels at a %s server', (kind) => {
  test('chunks of a push and a pull go over few channels, which are used again', async () => {
    const scene = await openScene(kind);
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, 3_000_000);
    const before = scene.proxy.connections;
    await push([file], scene.options('/file', { parallel: 2 }));
    // Two for the 46 chunks, and some for messages.
    expect(scene.proxy.connections - before).toBeLessThanOrEqual(6);
    const arrived = path.join(temporaryDirectory(), 'file');
    await pull(arrived, scene.options('/file', { parallel: 2 }));
    expect(digestOf(arrived)).toBe(digestOf(file));
  });
});

describe('one channel', () => {
  test('a channel carries one request after the other', async () => {
    const server = await startServer((socket, said) => {
      if (said.endsWith('\r\n\r\n')) socket.write(said.includes('chunks/') ? answerTo('{"a":1}') : SWITCHING);
    });
    const channels = await openChannels(server.url);
    for (let turn = 0; turn < 3; turn += 1) {
      const response = await channels.request(get(server.url));
      expect(await response.text(100)).toBe('{"a":1}');
    }
    expect(server.connections()).toBe(1);
  });

  test('a channel is not used again after an answer that came before the request was whole', async () => {
    const refusal = answerTo('{"code":"session-fenced"}', '409 Conflict').replace('json', 'problem+json');
    const answered = new Set<number>();
    const server = await startServer((socket, said, number) => {
      if (!said.includes('PUT')) socket.write(SWITCHING);
      else if (!answered.has(number)) socket.write(refusal);
      if (said.includes('PUT')) answered.add(number);
    });
    const channels = await openChannels(server.url);
    expect(await codeOf(channels.request(put(server.url, zeros(2000), 2000 * 65_536)))).toBe(
      'session-fenced',
    );
    expect(await codeOf(channels.request(put(server.url, zeros(2000), 2000 * 65_536)))).toBe(
      'session-fenced',
    );
    expect(server.connections()).toBe(2);
  });

  test.each([
    ['is closed', (socket: Socket) => socket.end(), 'network'],
    ['is reset', (socket: Socket) => socket.resetAndDestroy(), 'network'],
    ['is cut within the head', (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nConte'), 'network'],
    [
      'is cut within the body',
      (socket: Socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab'),
      'network',
    ],
    [
      'gets more than was announced',
      (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc'),
      'invalid-request',
    ],
    ['is answered with what is no head', (socket: Socket) => socket.write('SSH-2.0-x\r\n\r\n'), 'network'],
    [
      'is answered with two lengths',
      (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na'),
      'invalid-request',
    ],
    [
      'is answered with a head without an end',
      (socket: Socket) => socket.write('x'.repeat(20_000)),
      'invalid-request',
    ],
    ['stays silent', () => undefined, 'timeout'],
  ] as const)('a channel that %s fails with an error that cairn knows', async (_how, end, code) => {
    const server = await startServer((socket, said) => {
      if (!said.includes('chunks/')) socket.write(SWITCHING);
      else end(socket);
    });
    const channels = await openChannels(server.url, 300);
    const work = channels.request(get(server.url)).then((response) => response.text(100));
    expect(await codeOf(work)).toBe(code);
  });

  test('a channel whose reader holds it back for longer than a silence may last is not given up', async () => {
    const bytes = 3 * 1024 * 1024;
    const server = await startServer((socket, said) => {
      if (!said.includes('chunks/')) socket.write(SWITCHING);
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`);
    });
    const channels = await openChannels(server.url, 1000);
    const { body } = await channels.request(get(server.url));
    let taken = 0;
    for await (const piece of body) {
      if (taken === 0) await sleep(2500);
      taken += piece.byteLength;
    }
    expect(taken).toBe(bytes);
  });

  test('a channel takes one request at a time, also where an answer is discarded after it was read', async () => {
    const server = await startServer((socket, said) => {
      if (said.endsWith('\r\n\r\n')) socket.write(said.includes('chunks/') ? answerTo('{"a":1}') : SWITCHING);
    });
    const channels = await openChannels(server.url);
    const first = await channels.request(get(server.url));
    await first.text(100);
    await first.discard();
    await Promise.all([1, 2].map(async () => (await channels.request(get(server.url))).text(100)));
    expect(server.connections()).toBeGreaterThan(1);
  });

  test('a request over a channel ends with the reason of its signal when that is aborted', async () => {
    const server = await startServer(
      (socket, said) => void (said.includes('chunks/') || socket.write(SWITCHING)),
    );
    const channels = await openChannels(server.url);
    const controller = new AbortController();
    setTimeout(() => controller.abort(new CairnError('interrupted', 'enough')), 100);
    expect(await codeOf(channels.request(get(server.url, { signal: controller.signal })))).toBe(
      'interrupted',
    );
  });

  test('a request over a channel ends with the error that its body throws', async () => {
    const server = await startServer(
      (socket, said) => void (said.includes('chunks/') || socket.write(SWITCHING)),
    );
    const channels = await openChannels(server.url);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      throw new CairnError('source-changed', 'it is another file now');
    }
    expect(await codeOf(channels.request(put(server.url, broken(), 2000)))).toBe('source-changed');
  });
});

describe('channels', () => {
  test('a channel carries the paths of the server itself, where a proxy removes a prefix', async () => {
    const lines: string[] = [];
    const server = await startServer((socket, said) => {
      lines.push(said.slice(said.lastIndexOf('GET ')).split('\r\n')[0]!);
      socket.write(said.includes('chunks/') ? answerTo('{"a":1}') : SWITCHING);
    });
    const root = new URL(`/files${ROOT}`, server.url);
    const channels = await openChannels(root);
    await (await channels.request(get(root))).text(100);
    expect(lines).toEqual([`GET /files${ROOT}channel HTTP/1.1`, `GET ${ROOT}sessions/x/chunks/0 HTTP/1.1`]);
  });

  test('a channel skips interim answers that something on the way has put in', async () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    const server = await startServer((socket, said) => {
      socket.write(said.includes('chunks/') ? `${interim}${answerTo('{"a":1}')}` : SWITCHING);
    });
    const channels = await openChannels(server.url);
    for (let turn = 0; turn < 2; turn += 1)
      expect(await (await channels.request(get(server.url))).text(100)).toBe('{"a":1}');
    expect(server.connections()).toBe(1);
  });

  test('channels are shared where the server takes no more connections', async () => {
    const busy = '{"code":"server-busy","details":{"limit":"connections-per-address"}}';
    const refusal = answerTo(busy, '503 No\r\nConnection: close').replace('json', 'problem+json');
    const server = await startServer((socket, said, number) => {
      if (number > 2) socket.end(refusal);
      else if (said.endsWith('\r\n\r\n')) {
        if (said.includes('chunks/')) setTimeout(() => socket.write(answerTo('{"a":1}')), 5);
        else socket.write(SWITCHING);
      }
    });
    const channels = await openChannels(server.url);
    const answers = Array.from({ length: 12 }, async () =>
      (await channels.request(get(server.url))).text(100),
    );
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 12 }, () => '{"a":1}'));
    // Whoever was refused waits for one of those that are there.
    expect(server.connections()).toBeLessThanOrEqual(12);
    expect(channels.closeIdle()).toBe(2);
  });
});

describe('servers without channels', () => {
  test.each([
    ['a refusal the client does not ask for one for a while', undefined, 1],
    ['four refusals the client never asks for one again', 0, 4],
  ] as const)(
    'requests go the usual way where there are no channels, and after %s',
    async (_what, pauseMs, most) => {
      let asked = 0;
      const server = await startServer((socket, said) => {
        const isUpgrade = said.lastIndexOf(`GET ${ROOT}channel `) > said.lastIndexOf('chunks/');
        asked += isUpgrade ? 1 : 0;
        if (isUpgrade) socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
        else socket.write(answerTo('{"usual":1}'));
      });
      const channels = await openChannels(server.url, undefined, pauseMs);
      for (let turn = 0; turn < 8; turn += 1) {
        const response = await channels.request(get(server.url));
        expect(await response.text(100)).toBe('{"usual":1}');
      }
      expect(asked).toBe(most);
    },
  );
});
