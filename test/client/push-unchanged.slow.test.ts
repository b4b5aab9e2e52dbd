/** A large tree that is there already is not compared entry by entry: both sides look at theirs, and compare one id. */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { createAccess } from '../../src/client/http/access.ts';
import { UNLIMITED } from '../../src/client/http/bandwidth.ts';
import { openConnection } from '../../src/client/http/connection.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { push } from '../../src/client/push.ts';
import { lookAtTarget } from '../../src/client/push/unchanged.ts';
import { EntryTable } from '../../src/manifest/entry-table.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { openScene, type Scene } from './support/scene.ts';

const FILES = 1200;
const BYTES = 5;

interface Pushed {
  readonly scene: Scene;
  readonly source: string;
  /** Requests of a client to the protocol, in order. */
  readonly asked: string[];
  again(changes?: Partial<TransferOptions>): ReturnType<typeof push>;
}

/** A large tree that was pushed once. */
async function pushed(files = FILES): Promise<Pushed> {
  const scene = await openScene('disk');
  const source = path.join(temporaryDirectory(), 'tree');
  mkdirSync(path.join(source, 'folder'), { recursive: true });
  for (let index = 0; index < files; index += 1)
    writeFileSync(path.join(source, 'folder', `f${index}`), 'bytes');
  symlinkSync('folder/f1', path.join(source, 'link'));
  await push([source], scene.options('/there'));
  const asked: string[] = [];
  scene.proxy.onRequest(({ method, path: requested }) => {
    const route = /\/\.cairn\/v1\/(.+)$/.exec(requested)?.[1];
    if (route !== undefined) asked.push(`${method} ${route.replace(/sessions\/[^/]+/, 'session')}`);
    return 'pass';
  });
  return {
    scene,
    source,
    asked,
    again: (changes) => push([source], scene.options('/there', { ...UNHURRIED, ...changes })),
  };
}

/**
 * A clock that runs a hundred times as fast: the client is patient with the server in proportion to its own scan, and on a busy
 * machine the server may take much longer.
 */
const UNHURRIED = { now: () => 100 * performance.now(), retryForMs: 3_600_000 };

const usesSession = ({ asked }: Pushed): boolean => asked.includes('PUT session/manifest');

test('a second push of an unchanged large tree asks one question only', async () => {
  const tree = await pushed();
  const summary = await tree.again();
  expect(tree.asked).toEqual(['POST tree-id']);
  expect(summary).toMatchObject({
    entries: FILES + 3,
    bytesTotal: 0,
    bytesMoved: 0,
    bytesSkipped: FILES * BYTES,
    excluded: 0,
    retries: 0,
  });
  expect(summary.digest).toMatch(/^[0-9a-f]{64}$/);
});

const CHANGES: Readonly<Record<string, (source: string, there: string) => void>> = {
  'bytes, with another size': (source) => writeFileSync(path.join(source, 'folder/f7'), 'other bytes'),
  'a time': (source) => utimesSync(path.join(source, 'folder/f7'), 1_600_000_000, 1_600_000_000.5),
  'a mode': (source) => chmodSync(path.join(source, 'folder/f7'), 0o600),
  'the mode of a folder': (source) => chmodSync(path.join(source, 'folder'), 0o700),
  'a link': (source) => {
    rmSync(path.join(source, 'link'));
    symlinkSync('folder/f2', path.join(source, 'link'));
  },
  'a new file': (source) => writeFileSync(path.join(source, 'new'), 'new'),
  'a file that is gone there': (_source, there) => rmSync(path.join(there, 'folder/f7')),
  'a file that was changed there': (_source, there) => writeFileSync(path.join(there, 'folder/f7'), 'x'),
};

test('a second push of a large tree sees every change, and brings it', async () => {
  const tree = await pushed();
  const there = path.join(tree.scene.root, 'there');
  const statOf = (root: string, name: string): unknown => {
    const { mode, mtimeNs, size } = lstatSync(path.join(root, name), { bigint: true });
    return { name, mode, mtimeNs, size };
  };
  for (const [what, change] of Object.entries(CHANGES)) {
    change(tree.source, there);
    tree.asked.length = 0;
    await tree.again();
    expect([what, usesSession(tree)]).toEqual([what, true]);
    for (const name of ['folder', 'folder/f7', 'link'])
      expect([what, statOf(there, name)]).toEqual([what, statOf(tree.source, name)]);
    tree.asked.length = 0;
    await tree.again();
    expect([what, usesSession(tree)]).toEqual([what, false]);
  }
  expect(readFileSync(path.join(there, 'folder/f7'), 'utf8')).toBe('other bytes');
  expect(readlinkSync(path.join(there, 'link'))).toBe('folder/f2');
  expect(readFileSync(path.join(there, 'new'), 'utf8')).toBe('new');
});

test('a second push leaves a file alone that is only at the target, and compares as usual', async () => {
  const tree = await pushed();
  const extra = path.join(tree.scene.root, 'there/extra');
  writeFileSync(extra, 'extra');
  expect(await tree.again()).toMatchObject({ bytesMoved: 0, bytesSkipped: FILES * BYTES });
  expect(usesSession(tree)).toBe(true);
  expect(readFileSync(extra, 'utf8')).toBe('extra');
});

test('a second push of a large tree names what it cannot send', async () => {
  const tree = await pushed();
  execFileSync('mkfifo', [path.join(tree.source, 'pipe')]);
  expect(await tree.again()).toMatchObject({ excluded: 1 });
  expect(usesSession(tree)).toBe(true);
});

test('a push of a small tree, with --checksum or as a dry run does not ask for the id of the tree', async () => {
  const tree = await pushed();
  await tree.again({ checksum: true });
  await tree.again({ dryRun: true });
  expect(tree.asked).not.toContain('POST tree-id');
  const small = await pushed(10);
  await small.again();
  expect(small.asked).not.toContain('POST tree-id');
});

test('a push does not ask a server that knows no ids of trees for one', async () => {
  const tree = await pushed();
  tree.scene.proxy.onPiece(({ way, bytes }) => {
    const at = bytes.indexOf('treeIds');
    if (way === 'down' && at >= 0) bytes.write('unheard', at);
  });
  await tree.again();
  expect(tree.asked).not.toContain('POST tree-id');
  expect(usesSession(tree)).toBe(true);
});

test('a push goes on without the answer about the id of the tree when that is lost', async () => {
  const tree = await pushed();
  tree.scene.proxy.onRequest(({ path: requested }) => (requested.endsWith('/tree-id') ? 'reset' : 'pass'));
  expect(await tree.again()).toMatchObject({ bytesMoved: 0, bytesSkipped: FILES * BYTES });
});

test('a push does not wait for a silent answer about the id of the tree, and takes the request back', async () => {
  let isOpen = false;
  const silent = createServer((request) => {
    isOpen = true;
    request.once('close', () => (isOpen = false));
  });
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`http://127.0.0.1:${(silent.address() as AddressInfo).port}/.cairn/v1/`);
  const connection = await openConnection(url, { connections: 1 });
  const server = {
    root: url,
    target: '/t',
    connection,
    chunks: connection,
    access: createAccess(async () => 'token'),
    bandwidth: UNLIMITED,
    roundTripMs: 0,
    hasChannels: false,
    hasTreeIds: true,
    metadata: undefined,
    hasDeletions: true,
  };
  const { signal } = new AbortController();
  let clockMs = 0;
  const now = (): number => clockMs;
  const look = lookAtTarget({ server, signal, report: () => {}, now }, '/t');
  look.found(999, []);
  expect(isOpen).toBe(false);
  look.found(1500, []);
  await vi.waitFor(() => expect(isOpen).toBe(true));
  clockMs += 100;
  expect(await look.unchanged({ entries: new EntryTable(), notices: [] })).toBeUndefined();
  expect(isOpen).toBe(true);
  look.end();
  await vi.waitFor(() => expect(isOpen).toBe(false));
  await connection.close();
  silent.close();
});
