import { renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { get, request, type IncomingMessage } from 'node:http';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const SIZE = 48 * 1024 * 1024;

async function serve(): Promise<{ server: DiskServer; file: string }> {
  const root = temporaryDirectory();
  const file = path.join(root, 'file');
  writeFileSync(file, Buffer.alloc(SIZE, 'A'));
  return { server: await startDiskServer({ root }), file };
}

/** Reads `/file`; `meanwhile` happens after its first bytes, while the rest waits. */
async function download(
  server: DiskServer,
  headers: Record<string, string>,
  meanwhile: () => void,
): Promise<{ isWhole: boolean; bytes: number; announced: number }> {
  const authorization = `Bearer ${server.token}`;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    get(`${server.url}/file`, { headers: { authorization, ...headers } }, resolve).on('error', reject);
  });
  let bytes = 0;
  let hasHappened = false;
  response.on('data', (piece: Buffer) => {
    bytes += piece.byteLength;
    if (hasHappened) return;
    hasHappened = true;
    meanwhile();
  });
  const isWhole = await new Promise<boolean>((resolve) => {
    response.once('end', () => resolve(true)).once('error', () => resolve(false));
  });
  return { isWhole, bytes, announced: Number(response.headers['content-length']) };
}

test.each([
  ['truncated', (file: string) => truncateSync(file, 1000)],
  ['written into', (file: string) => writeFileSync(file, 'B'.repeat(1000), { flag: 'r+' })],
  ['appended to', (file: string) => writeFileSync(file, 'tail', { flag: 'a' })],
  ['written into, with its time put back', putBack],
])('a download of a file that is %s meanwhile is cut, so that its client notices', async (_how, change) => {
  const { server, file } = await serve();
  for (const headers of [{}, { range: 'bytes=5-' }] as Record<string, string>[]) {
    const { isWhole, bytes, announced } = await download(server, headers, () => change(file));
    expect(isWhole).toBe(false);
    expect(bytes).toBeLessThan(announced);
    truncateSync(file, SIZE);
  }
});

function putBack(file: string): void {
  writeFileSync(file, 'B', { flag: 'r+' });
  utimesSync(file, 1, 1);
}

test('a download of a file that is replaced meanwhile is cut, and the next one is whole', async () => {
  const { server, file } = await serve();
  const { bytes, announced } = await download(server, {}, () => {
    writeFileSync(`${file}.new`, Buffer.alloc(SIZE, 'B'));
    renameSync(`${file}.new`, file);
  });
  expect(bytes).toBeLessThan(announced);
  const again = await download(server, {}, () => undefined);
  expect(again).toEqual({ isWhole: true, bytes: SIZE, announced: SIZE });
});

test('a request for a version that was replaced is refused with 412, for HEAD as for GET', async () => {
  const { server, file } = await serve();
  const ask = (method: string, headers: Record<string, string>): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const authorization = `Bearer ${server.token}`;
      request(`${server.url}/file`, { method, headers: { authorization, ...headers } }, (response) => {
        response.resume();
        resolve(response);
      })
        .on('error', reject)
        .end();
    });
  const { etag = '', 'last-modified': date = '' } = (await ask('HEAD', {})).headers;
  const half = await ask('GET', { 'range': 'bytes=0-9', 'if-match': etag });
  expect(half.statusCode).toBe(206);
  writeFileSync(`${file}.new`, Buffer.alloc(SIZE, 'B'));
  utimesSync(`${file}.new`, Date.now() / 1000 + 5, Date.now() / 1000 + 5);
  renameSync(`${file}.new`, file);
  for (const method of ['GET', 'HEAD']) {
    for (const headers of [{ 'if-match': etag }, { 'if-unmodified-since': date }] as Record<
      string,
      string
    >[]) {
      const answer = await ask(method, { ...headers, range: 'bytes=10-19' });
      expect([answer.statusCode, answer.headers['content-length']]).toEqual([412, '0']);
    }
  }
});
