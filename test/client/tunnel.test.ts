/** Tunnels through proxies that do not do what they should. */
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { openTunnel } from '../../src/client/http/connection-tunnel.ts';
import { plainConnector } from '../../src/client/http/http-socket.ts';
import type { CairnError } from '../../src/base/errors.ts';

/** Opens a tunnel through a proxy of ours, and answers the error. */
async function refusalOf(behave: (socket: Socket) => void): Promise<CairnError> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => undefined));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const proxy = { url, authorization: 'Basic c2VjcmV0' };
  const options = { proxy, authority: 'a.example:443', connect: plainConnector(1000), timeoutMs: 300 };
  return openTunnel(options).then(
    () => {
      throw new Error('it was opened');
    },
    (error: unknown) => error as CairnError,
  );
}

test.each<[string, (socket: Socket) => void, string]>([
  ['never answers', () => undefined, 'timeout'],
  ['hangs up', (socket) => socket.once('data', () => socket.destroy()), 'network'],
  ['is no proxy', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), 'not-a-cairn-server'],
  [
    'answers with a redirect',
    (socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n'),
    'proxy-refused',
  ],
  ['is too busy', (socket) => socket.end('HTTP/1.1 429 Too Many\r\n\r\n'), 'network'],
])(
  'a tunnel fails with an error that names the proxy, and no credential, where that %s',
  async (_what, behave, code) => {
    const error = await refusalOf(behave);
    expect(error.code).toBe(code);
    expect(error.message).toContain('the proxy http://127.0.0.1:');
    expect(error.message).not.toContain('c2VjcmV0');
  },
);
