import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compareTrees, measureTree } from '../../../../src/cli/commands/demo/compare-trees.ts';
import { startProxy, type Proxy } from '../../../../src/cli/commands/demo/cutting-proxy.ts';

const never = new AbortController().signal;

describe('the comparison of the demo', () => {
  let home: string;
  let left: string;
  let right: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-compare-'));
    [left, right] = [join(home, 'left'), join(home, 'right')];
    mkdirSync(join(left, 'dir/empty'), { recursive: true });
    writeFileSync(join(left, 'dir/file'), 'content');
    writeFileSync(join(left, 'line\nbreak'), '');
    symlinkSync('dir/file', join(left, 'link'));
    cpSync(left, right, { recursive: true, verbatimSymlinks: true });
    for (const root of [left, right]) {
      for (const name of ['dir/file', 'line\nbreak', 'dir/empty', 'dir', ''])
        utimesSync(join(root, name), 1000, 1000);
      lutimesSync(join(root, 'link'), 1000, 1000);
    }
  });
  afterEach(() => rmSync(home, { recursive: true }));
  const compare = (leftOut: string[] = []) => compareTrees(left, right, new Set(leftOut), never);
  const touch = (name: string): void => utimesSync(join(right, name), 1000, 1000);

  it('the comparison of the demo finds no difference in trees that are the same', async () => {
    expect(await compare()).toEqual({ entries: 6, bytes: 7, differences: [] });
    expect(await measureTree(left)).toEqual({ entries: 6, bytes: 7 });
  });

  it.each<[string, string, () => void]>([
    [
      'a byte',
      'dir/file: the content differs',
      () => (writeFileSync(join(right, 'dir/file'), 'contenT'), touch('dir/file')),
    ],
    [
      'a size',
      'dir/file: the size differs',
      () => (writeFileSync(join(right, 'dir/file'), ''), touch('dir/file')),
    ],
    ['a mode', 'dir/file: the mode differs', () => chmodSync(join(right, 'dir/file'), 0o600)],
    [
      'a time',
      'dir/file: the modification time differs by 1 ns',
      () => execFileSync('touch', ['-d', '@1000.000000001', join(right, 'dir/file')]),
    ],
    [
      'a type',
      'dir/empty: a directory became a file',
      () => (
        rmSync(join(right, 'dir/empty'), { recursive: true }),
        writeFileSync(join(right, 'dir/empty'), ''),
        touch('dir')
      ),
    ],
    [
      'a target',
      'link: the link target differs',
      () => (
        rmSync(join(right, 'link')),
        symlinkSync('elsewhere', join(right, 'link')),
        lutimesSync(join(right, 'link'), 1000, 1000),
        touch('')
      ),
    ],
    ['a missing entry', 'line\nbreak: missing', () => (rmSync(join(right, 'line\nbreak')), touch(''))],
    ['an extra entry', 'dir/more: missing', () => (writeFileSync(join(right, 'dir/more'), ''), touch('dir'))],
  ])('the comparison of the demo finds %s', async (_what, difference, change) => {
    change();
    const { differences } = await compare();
    expect(differences).toEqual([expect.stringContaining(difference)]);
  });

  it('the comparison of the demo ignores entries that were left out', async () => {
    writeFileSync(join(left, 'dir/file'), 'different');
    expect((await compare(['dir/file'])).differences).toEqual([]);
  });
});

describe('the proxy of the demo', () => {
  const open = new Set<Socket>();
  let server: Server;
  let proxy: Proxy;
  let received = 0;
  beforeEach(async () => {
    received = 0;
    server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (piece: Buffer) => {
        received += piece.byteLength;
        if (piece.includes('GET ')) socket.write('answer');
      });
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    proxy = await startProxy((server.address() as AddressInfo).port, 4_000_000);
  });
  afterEach(async () => {
    for (const socket of open) socket.destroy();
    await proxy.close();
    await new Promise((done) => server.close(done));
  });
  function client(): Socket {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.on('error', () => undefined);
    open.add(socket);
    return socket;
  }

  it('the proxy of the demo limits the rate of all connections together, and counts bytes', async () => {
    const startedAt = performance.now();
    for (const socket of [client(), client()]) socket.write(Buffer.alloc(1_000_000));
    await proxy.reached('up', 2_000_000);
    expect(performance.now() - startedAt).toBeGreaterThan(350);
    expect(proxy.bytes('up')).toBe(2_000_000);
    expect(received).toBeGreaterThan(0);
  });

  it('the proxy of the demo sees when a chunk moves, and nothing else', async () => {
    const socket = client();
    let seen = '';
    void proxy.nextPayload('up').then(() => (seen += 'up'));
    void proxy.nextPayload('down').then(() => (seen += 'down'));
    socket.write('POST /.cairn/v1/sessions/x/resume HTTP/1.1\r\n\r\n');
    await proxy.reached('up', 40);
    expect(seen).toBe('');
    socket.write('PUT /p/.cairn/v1/sessions/x/chunks/12 HTTP/1.1\r\n\r\n');
    await expect.poll(() => seen).toBe('up');
    socket.write('GET /.cairn/v1/sessions/x/chunks/12 HTTP/1.1\r\n\r\n');
    await expect.poll(() => seen).toBe('updown');
  });

  it('the proxy of the demo cuts every connection, and takes new ones', async () => {
    const sockets = [client(), client()];
    for (const socket of sockets) socket.write('x');
    await proxy.reached('up', 2);
    const closed = sockets.map((socket) => new Promise((done) => socket.once('close', done)));
    expect(proxy.cut()).toBe(2);
    await Promise.all(closed);
    client().write('yz');
    await proxy.reached('up', 4);
  });
});
