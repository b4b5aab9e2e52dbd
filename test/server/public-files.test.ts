import { symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { byteRangeOf } from '../../src/server/http/byte-range.ts';
import { openLocalDisk } from '../../src/storage/disk/local-disk.ts';
import { createMemorySessionStore } from '../support/memory-stores/memory-session-store.ts';
import { startServer } from '../../src/server/server.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { directory, file, putTree } from '../suites/staged-transfer.ts';
import { ALICE, call, KINDS, linesOf, openScene, type Kind, type Scene } from './by-hand.ts';

async function openFiles(kind: Kind): Promise<Scene> {
  const scene = await openScene(kind);
  const items = [directory(''), file('digits', '0123456789'), file('empty', ''), file('ü b', 'name')];
  await putTree(scene.stores.content, 'd', items);
  return scene;
}

describe.each(KINDS)('files of %s', (kind) => {
  test('a file is served whole, with the headers that a cache needs', async () => {
    const scene = await openFiles(kind);
    const answer = await call(scene, 'GET', '/d/digits', { token: ALICE });
    expect([answer.status, answer.body.toString()]).toEqual([200, '0123456789']);
    expect(answer.headers).toMatchObject({
      'accept-ranges': 'bytes',
      'content-length': '10',
      'etag': expect.stringMatching(/^"[\w-]+"$/),
      'last-modified': expect.stringContaining('GMT'),
    });
    const head = await call(scene, 'HEAD', '/d/digits', { token: ALICE });
    expect([head.headers['content-length'], head.headers['etag']]).toEqual(['10', answer.headers['etag']]);
    expect((await call(scene, 'GET', '/d/empty', { token: ALICE })).headers['content-length']).toBe('0');
    expect((await call(scene, 'GET', '/d/%C3%BC%20b', { token: ALICE })).body.toString()).toBe('name');
  });

  test('a file is served by ranges', async () => {
    const scene = await openFiles(kind);
    const get = async (range: string, headers: Record<string, string> = {}): Promise<unknown[]> => {
      const answer = await call(scene, 'GET', '/d/digits', { token: ALICE, headers: { range, ...headers } });
      return [answer.status, answer.body.toString(), answer.headers['content-range']];
    };
    expect(await get('bytes=2-4')).toEqual([206, '234', 'bytes 2-4/10']);
    expect(await get('bytes=8-')).toEqual([206, '89', 'bytes 8-9/10']);
    expect(await get('bytes=-3')).toEqual([206, '789', 'bytes 7-9/10']);
    expect(await get('bytes=5-99')).toEqual([206, '56789', 'bytes 5-9/10']);
    expect(await get('bytes=10-')).toEqual([416, '', 'bytes */10']);
    expect(await get('bytes=0-1,4-5')).toEqual([200, '0123456789', undefined]);
    const etag = (await call(scene, 'HEAD', '/d/digits', { token: ALICE })).headers['etag'] as string;
    expect(await get('bytes=2-4', { 'if-range': etag })).toEqual([206, '234', 'bytes 2-4/10']);
    expect(await get('bytes=2-4', { 'if-range': '"other"' })).toEqual([200, '0123456789', undefined]);
    const same = await call(scene, 'GET', '/d/digits', { token: ALICE, headers: { 'if-none-match': etag } });
    expect([same.status, same.body.length]).toEqual([304, 0]);
  });

  test('a file has another tag when its content changes', async () => {
    const scene = await openFiles(kind);
    const tag = async () => (await call(scene, 'HEAD', '/d/digits', { token: ALICE })).headers['etag'];
    const before = await tag();
    await putTree(scene.stores.content, 'd', [directory(''), file('digits', '9876543210')]);
    expect(await tag()).not.toBe(before);
  });

  test('a directory is served as a list, and differs from a file', async () => {
    const scene = await openFiles(kind);
    const names = async (target: string): Promise<string[]> => {
      const lines = linesOf(await call(scene, 'GET', target, { token: ALICE })).slice(1, -1);
      return lines.map((line) => (line as string[]).slice(0, 2).join(':'));
    };
    expect(await names('/d/')).toEqual(['d:', 'f:digits', 'f:empty', 'f:ü b']);
    expect(await names('/')).toEqual(['d:', 'd:d']);
    expect((await call(scene, 'HEAD', '/d/', { token: ALICE })).status).toBe(200);
    for (const method of ['GET', 'HEAD'] as const) {
      const { status, headers, body } = await call(scene, method, '/d?a=b', { token: ALICE });
      expect([status, headers['location'], body.length]).toEqual([301, './d/?a=b', 0]);
    }
    expect((await call(scene, 'GET', '/d/missing', { token: ALICE })).json.code).toBe('not-found');
  });
});

test('a file behind a symbolic link is not served', async () => {
  const root = temporaryDirectory();
  symlinkSync('/etc', path.join(root, 'link'));
  const content = await openLocalDisk(root);
  const server = await startServer({
    content,
    sessions: createMemorySessionStore(),
    authenticators: [createStaticToken('secret')],
    listen: { host: '127.0.0.1', port: 0 },
    version: '0',
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  });
  for (const target of ['/link', '/link/passwd']) {
    const answer = await fetch(server.url + target, { headers: { authorization: 'Bearer secret' } });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([
      409,
      'symlink-refused',
    ]);
  }
  await server.kill();
  await content.close();
});

test.each([
  [undefined, undefined],
  ['bytes=', undefined],
  ['bytes=-', undefined],
  ['bytes=5-2', undefined],
  ['lines=1-2', undefined],
  ['bytes=-0', 'unsatisfiable'],
  ['bytes=0-0', { from: 0, to: 1 }],
  ['bytes=-100', { from: 0, to: 10 }],
])('the Range header %s of ten bytes means %j', (header, range) => {
  expect(byteRangeOf(header, 10)).toEqual(range);
});
