/** Chunks of a hostile server: of other lengths, other bytes, another content than before. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { CHUNK, chunkOf, commits, endOf, grant, json, setTrap } from './support/liar.ts';

describe('chunks', () => {
  const file = (bytes: number): string[] => [`["f","",${bytes},420,"0"]`];

  test.each([
    ['more bytes than the file has', Buffer.alloc(500)],
    ['fewer bytes than the file has', Buffer.alloc(5)],
    ['no bytes at all', Buffer.alloc(0)],
  ])('a pull refuses a chunk of %s', async (_, bytes) => {
    const trap = await setTrap(commits, { lines: file(10), chunks: [Buffer.alloc(10)] }, {});
    const lied = await setTrap(
      ({ route, response, method }) => {
        if (route?.includes('/chunks/') !== true || method !== 'GET') return false;
        const body = chunkOf(bytes);
        response.writeHead(200, { 'Content-Length': body.length }).end(body);
        return true;
      },
      { lines: file(10), chunks: [Buffer.alloc(10)] },
    );
    expect(await endOf(pull(path.join(lied.destination, 'x'), lied.options))).toBe('chunk-out-of-range');
    expect(existsSync(path.join(lied.destination, 'x'))).toBe(false);
    lied.expectNothingOutside();
    trap.expectNothingOutside();
  });

  test.each([
    ['without a length, and without an end', undefined],
    ['with the right length, and more behind it', 18],
  ])('a pull refuses an endless chunk %s', async (_, length) => {
    const trap = await setTrap(
      ({ route, response }) => {
        if (route?.includes('/chunks/') !== true) return false;
        const { socket } = response;
        socket!.write(
          `HTTP/1.1 200 OK\r\n${length === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n`,
        );
        const flood = (): void => {
          while (
            !socket!.destroyed &&
            socket!.write(length === undefined ? `1000\r\n${'x'.repeat(4096)}\r\n` : 'x'.repeat(4096))
          );
          if (!socket!.destroyed) socket!.once('drain', flood);
        };
        flood();
        return true;
      },
      { lines: file(10), chunks: [Buffer.alloc(10)] },
    );
    expect(await endOf(pull(path.join(trap.destination, 'x'), trap.options), 20_000)).toMatch(
      /chunk-out-of-range|chunk-incomplete|chunk-digest-mismatch|network|not-a-cairn-server/,
    );
    expect(existsSync(path.join(trap.destination, 'x'))).toBe(false);
  });

  test('a pull never publishes a chunk whose bytes differ from its digest', async () => {
    const trap = await setTrap(
      ({ route, response, method }) => {
        if (route?.includes('/chunks/') !== true || method !== 'GET') return false;
        const body = chunkOf(Buffer.alloc(10, 'a'));
        body[3] = 0;
        response.writeHead(200, { 'Content-Length': body.length }).end(body);
        return true;
      },
      { lines: file(10), chunks: [Buffer.alloc(10, 'a')] },
      { retryForMs: 3000 },
    );
    expect(await endOf(pull(path.join(trap.destination, 'x'), trap.options))).toBe('chunk-digest-mismatch');
    expect(existsSync(path.join(trap.destination, 'x'))).toBe(false);
  });

  test('a pull whose content changes between two runs ends with a digest that both sides do not share', async () => {
    const lines = [`["f","",${2 * CHUNK},420,"0"]`];
    const [old, young] = [Buffer.alloc(CHUNK, 'o'), Buffer.alloc(CHUNK, 'n')];
    let isCut = true;
    const trap = await setTrap(
      ({ route, response, method, body }) => {
        if (route?.endsWith('/chunks/1') === true && method === 'GET' && isCut) {
          response.destroy();
          return true;
        }
        if (route?.endsWith('/commit') !== true) return false;
        // The server's own digest is that of the new content.
        const { digest } = JSON.parse(body) as { digest: string };
        problem409(response, digest);
        return true;
      },
      { lines, chunks: [old, young] },
    );
    const target = path.join(trap.destination, 'x');
    expect(await endOf(pull(target, trap.options))).toBe('network');
    isCut = false;
    expect(await endOf(pull(target, trap.options))).toBe('digest-mismatch');
    expect(existsSync(target)).toBe(false);
    trap.expectNothingOutside();
  });

  test('a pull does not mix the chunks that it has with those of another manifest when it resumes', async () => {
    const lines = [`["f","",${2 * CHUNK},420,"0"]`];
    let isCut = true;
    const trap = await setTrap(
      ({ route, response, method }) => {
        if (route?.endsWith('/chunks/1') === true && method === 'GET' && isCut) response.destroy();
        else if (route?.endsWith('/resume') === true)
          json(response, grant({ epoch: 2, state: 'open', manifestId: 'f'.repeat(64), resumed: true }));
        else return false;
        return true;
      },
      { lines, chunks: [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)] },
    );
    const target = path.join(trap.destination, 'x');
    expect(await endOf(pull(target, trap.options))).toBe('network');
    isCut = false;
    // It starts over: the answer to the commit, which is none, ends it.
    expect(await endOf(pull(target, trap.options))).toBe('invalid-request');
    expect(existsSync(target)).toBe(false);
  });
});

function problem409(response: Parameters<typeof json>[0], digest: string): void {
  json(response, {
    state: 'committed',
    entriesDone: 1,
    entriesTotal: 1,
    digest: digest.replace(/./, (c) => (c === '0' ? '1' : '0')),
  });
}
