import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openConnection } from '../../src/client/http/connection.ts';
import { discover, greet } from '../../src/client/http/discovery.ts';
import { codeOf } from './support/scene.ts';

const HELLO = {
  server: 'cairn',
  version: '9',
  protocol: { major: 1, minor: 0 },
  channels: ['cairn-channel/1'],
};
const URL_PATH = '/some/where';

/** Longer than opening a connection takes on the slowest machine. */
const LONG_MS = 1_000_000;

/** What a server of these tests says to a HEAD, and how long its client takes each answer to have taken. */
interface Manner {
  readonly hello?: object | undefined;
  readonly answerMs: number;
}

/** A server that greets; answers what was asked of it. */
async function openGreeter({ hello }: Pick<Manner, 'hello'>): Promise<{ asked: string[]; url: URL }> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const [method = ''] = String(bytes).split(' ');
      asked.push(method);
      const body = method === 'HEAD' ? '' : JSON.stringify(HELLO);
      const told =
        hello === undefined || method !== 'HEAD' ? '' : `Cairn-Hello: ${JSON.stringify(hello)}\r\n`;
      const head = `Link: <../.cairn/v1/>; rel="urn:cairn:protocol"\r\n${told}Content-Length: ${body.length}`;
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { asked, url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}${URL_PATH}`) };
}

/** A clock that is later at each look. */
function clockOf(stepMs: number): () => number {
  let looks = 0;
  return () => looks++ * stepMs;
}

async function discoverOver(manner: Manner): Promise<{ asked: string[]; roundTripMs: number }> {
  const { asked, url } = await openGreeter(manner);
  const connection = await openConnection(url, { connections: 2 });
  onTestFinished(() => connection.close());
  const found = await discover(connection, url, new AbortController().signal, clockOf(manner.answerMs));
  expect(found).toMatchObject({ target: URL_PATH, hasChannels: true });
  expect(found.root.pathname).toBe('/.cairn/v1/');
  return { asked, roundTripMs: found.roundTripMs };
}

test('a client needs one request for discovery over a long line, where the first answer has the greeting', async () => {
  const { asked, roundTripMs } = await discoverOver({ hello: HELLO, answerMs: LONG_MS });
  expect(asked).toEqual(['HEAD']);
  expect(roundTripMs).toBeGreaterThan(LONG_MS / 2);
});

test('a client measures a line that may be short by a second request on a warm connection', async () => {
  const { asked } = await discoverOver({ hello: HELLO, answerMs: 0 });
  expect(asked).toEqual(['HEAD', 'GET']);
});

test('a client asks an older server, whose first answer has no greeting, for its greeting', async () => {
  const { asked } = await discoverOver({ answerMs: LONG_MS });
  expect(asked).toEqual(['HEAD', 'GET']);
});

test('a client refuses another version of the protocol in the greeting of the first answer', async () => {
  const { url } = await openGreeter({ hello: { ...HELLO, protocol: { major: 2, minor: 0 } } });
  const connection = await openConnection(url, { connections: 2 });
  onTestFinished(() => connection.close());
  const { signal } = new AbortController();
  expect(await codeOf(discover(connection, url, signal, clockOf(LONG_MS)))).toBe('version-unsupported');
});

test('a client that needs all of the greeting asks for it', async () => {
  const { asked, url } = await openGreeter({ hello: HELLO });
  const connection = await openConnection(url, { connections: 2 });
  onTestFinished(() => connection.close());
  expect((await greet(connection, url, new AbortController().signal)).hello.version).toBe('9');
  expect(asked).toEqual(['HEAD', 'GET']);
});
