import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { openTransferFolder, transfersDirectory } from '../../src/client/record/transfer-folder.ts';
import { parseRecord, transferKey } from '../../src/client/record/transfer-record.ts';
import { listTransfers, removeTransfer, showTransfer } from '../../src/client/transfers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene } from './support/scene.ts';

const identity = { direction: 'push', url: new URL('http://host/a'), local: ['/a', '/b'] } as const;

test('the key is the same for the same command, and another for any other', () => {
  const key = transferKey(identity);
  expect(key).toMatch(/^[0-9a-f]{32}$/);
  expect(transferKey({ ...identity })).toBe(key);
  const others = [
    transferKey({ ...identity, direction: 'pull' }),
    transferKey({ ...identity, local: ['/a'] }),
    transferKey({ ...identity, url: new URL('http://host/b') }),
  ];
  expect(new Set([key, ...others]).size).toBe(4);
});

test('a record of a newer cairn is refused, a damaged one is not taken for one', async () => {
  expect(parseRecord('{"version":1}')).toBeUndefined();
  expect(parseRecord('{"version":')).toBeUndefined();
  expect(await codeOf((async () => parseRecord('{"version":2}'))())).toBe('journal-version');
});

test('a folder in which nothing was saved leaves nothing', async () => {
  const stateHome = temporaryDirectory();
  const folder = await openTransferFolder(stateHome, identity);
  expect(await codeOf(openTransferFolder(stateHome, identity))).toBe('transfer-locked');
  await folder.close();
  expect(readdirSync(transfersDirectory(stateHome))).toEqual([]);
});

test('what is kept is for its owner only', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 10 * CHUNK);
  const modes: Record<string, string> = {};
  const note = (directory: string): void => {
    for (const name of readdirSync(directory)) {
      const full = path.join(directory, name);
      modes[name] = (statSync(full).mode & 0o777).toString(8);
      if (statSync(full).isDirectory()) note(full);
    }
  };
  const report = (event: { type: string }): void => {
    if (event.type === 'planned') note(scene.stateHome);
  };
  await push([file], scene.options('/file', { report }));
  const key = Object.keys(modes).find((name) => /^[0-9a-f]{32}$/.test(name))!;
  expect(modes).toMatchObject({ 'transfers': '700', [key]: '700', 'transfer.json': '600', 'journal': '600' });
});

test('a damaged record makes the transfer start over, and says so', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 3 * CHUNK);
  const url = scene.url('/file');
  const folder = path.join(
    transfersDirectory(scene.stateHome),
    transferKey({ direction: 'push', url, local: [file] }),
  );
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'transfer.json'), '{"version":1,"damaged":');
  expect(await listTransfers(scene.stateHome)).toEqual([]);
  await push([file], scene.options('/file'));
  expect(scene.events.some((event) => event.type === 'notice' && event.message.includes('damaged'))).toBe(
    true,
  );
  expect(readdirSync(transfersDirectory(scene.stateHome))).toEqual([]);
  expect((await scene.fetch('/file'))?.equals(readFileSync(file))).toBe(true);
});

test('a record of a newer cairn hides no other, and can be removed', async () => {
  const stateHome = temporaryDirectory();
  const id = '0123456789abcdef'.repeat(2);
  const folder = path.join(transfersDirectory(stateHome), id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'transfer.json'), '{"version":2}');
  expect(await listTransfers(stateHome)).toEqual([]);
  expect(await codeOf(showTransfer(stateHome, id))).toBe('journal-version');
  await removeTransfer(stateHome, id);
  expect(readdirSync(transfersDirectory(stateHome))).toEqual([]);
});

test('transfers that do not exist are not found', async () => {
  const stateHome = temporaryDirectory();
  expect(await listTransfers(stateHome)).toEqual([]);
  expect(await codeOf(showTransfer(stateHome, 'abc'))).toBe('not-found');
  expect(await codeOf(removeTransfer(stateHome, '../..'))).toBe('not-found');
});
