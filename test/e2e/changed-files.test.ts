import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn } from '../support/cli.ts';
import { BACKENDS, fetchPublished, startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

test('a push of a tree takes each changed file from its own older version, and sends the others as ever', async () => {
  const server = await startDiskServer();
  const tree = temporaryDirectory();
  for (const name of ['a', 'b', 'c']) writeRandomFile(path.join(tree, name), 4 * MIB);
  writeFileSync(path.join(tree, 'small'), 'text');
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const push = ['push', '--json', tree, `${server.url}/tree`];
  expect(await cairn(push, environment)).toMatchObject({ exitCode: 0 });
  for (const name of ['a', 'c']) {
    const old = readFileSync(path.join(tree, name));
    writeFileSync(path.join(tree, name), Buffer.concat([Buffer.from(`new ${name}`), old]));
  }
  writeFileSync(path.join(tree, 'small'), 'other text');
  const pushed = await cairn(push, environment);
  expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
  expect(Number(pushed.last['bytesSent'])).toBeLessThan(400_000);
  for (const name of ['a', 'b', 'c', 'small']) {
    const there = readFileSync(path.join(server.root, 'tree', name));
    expect([name, there.equals(readFileSync(path.join(tree, name)))]).toEqual([name, true]);
  }
});

test.each(BACKENDS)('a changed file arrives over $name, and comes back in parts', async ({ start }) => {
  const server = await start();
  const [file, copy] = [path.join(temporaryDirectory(), 'file'), path.join(temporaryDirectory(), 'copy')];
  writeRandomFile(file, 3 * MIB);
  writeFileSync(copy, Buffer.concat([readFileSync(file).subarray(5000), Buffer.from('older')]));
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const push = ['push', '--json', file, `${server.url}/file`];
  expect(await cairn(push, environment)).toMatchObject({ exitCode: 0 });
  writeFileSync(file, Buffer.concat([Buffer.from('new'), readFileSync(file)]));
  const pushed = await cairn(push, environment);
  expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0 });
  expect((await fetchPublished(server, '/file'))?.equals(readFileSync(file))).toBe(true);
  const pulled = await cairn(['pull', '--json', `${server.url}/file`, copy], environment);
  expect(pulled, pulled.stderr).toMatchObject({ exitCode: 0 });
  expect(Number(pulled.last['bytesReceived'])).toBeLessThan(400_000);
  expect(readFileSync(copy).equals(readFileSync(file))).toBe(true);
});
