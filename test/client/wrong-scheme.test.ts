/** What a client says that speaks plain HTTP to a port of TLS. */
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import type { CairnError } from '../../src/base/errors.ts';

test.each([
  ['an alert of TLS', Buffer.from([0x15, 3, 3, 0, 2, 2, 0x50])],
  ['400, as nginx does', Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
  ['426', Buffer.from('HTTP/1.1 426 Upgrade Required\r\nUpgrade: TLS/1.2\r\nContent-Length: 0\r\n\r\n')],
])(
  'a plain client that a port of TLS answers with %s advises https, and shows no token',
  async (_what, answer) => {
    const seen: string[] = [];
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes) => {
        seen.push(bytes.toString());
        socket.end(answer);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const error = await list(
      {
        url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`),
        token: async () => 'a-secret-token',
        retryForMs: 2000,
        signal: new AbortController().signal,
        report: () => undefined,
      },
      { recursive: false },
    ).catch((thrown: unknown) => thrown as CairnError);
    expect(error).toMatchObject({ code: 'not-a-cairn-server' });
    expect((error as CairnError).message).toContain('write https:// instead of http://');
    expect(seen.join()).not.toContain('a-secret-token');
  },
);
