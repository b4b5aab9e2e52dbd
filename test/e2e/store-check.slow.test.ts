/** `cairn serve --check --store` by the real command line, over a directory of objects. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { openDirectoryObjects } from '../../src/storage/objects/directory/directory-objects.ts';
import { bytesOfObject } from '../../src/storage/objects/object-body.ts';
import type { ObjectStore } from '../../src/storage/objects/object-store.ts';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const environment = (): CliEnvironment => ({ stateHome: temporaryDirectory() });

/** A store with a tree, whose server has ended in order, unless it is to stay. */
async function servedStore() {
  const store = path.join(temporaryDirectory(), 'store');
  mkdirSync(store, { mode: 0o700 });
  const port = await freePort();
  const words = ['serve', '--store', store, '--listen', `127.0.0.1:${port}`, '--json'];
  const run = startCairn(words, environment());
  const listening = await untilLine(run, ({ type }) => type === 'listening');
  const token = readFileSync(String(listening['tokenFile']), 'utf8').trim();
  const source = path.join(temporaryDirectory(), 'source');
  mkdirSync(path.join(source, 'a'), { recursive: true });
  writeRandomFile(path.join(source, 'large'), 3 * 1024 * 1024);
  for (let n = 0; n < 20; n += 1) writeFileSync(path.join(source, 'a', String(n)), `file ${n}`);
  const url = `http://127.0.0.1:${port}/tree`;
  const pushed = await cairn(['push', '--json', '--chunk-size', '1M', source, url], {
    ...environment(),
    token,
  });
  expect(pushed.exitCode, pushed.stderr).toBe(0);
  const stop = async (): Promise<ObjectStore> => {
    run.child.kill('SIGTERM');
    await run.result;
    return openDirectoryObjects(store);
  };
  return { store, stop };
}

const check = (store: string, ...more: string[]): Promise<CliResult> =>
  cairn(['serve', '--check', '--store', store, '--json', ...more], environment());

const kindsOf = ({ lines }: CliResult): string[] =>
  lines
    .filter(({ type }) => type === 'finding')
    .map(({ kind, outcome }) => `${String(kind)} ${String(outcome)}`);

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

async function keysOf(objects: ObjectStore, prefix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(prefix)) keys.push(key);
  return keys;
}

test('a store in which everything is right passes, and while a server runs it is left alone', async () => {
  const { store, stop } = await servedStore();
  const busy = await check(store);
  expect([busy.exitCode, busy.last['code']]).toEqual([8, 'state-locked']);
  const objects = await stop();
  const before = await keysOf(objects);
  const right = await check(store);
  expect([right.exitCode, kindsOf(right)], right.stderr).toEqual([0, []]);
  expect(right.last).toMatchObject({ entries: 23, sessions: 1, code: 'ok' });
  expect(await keysOf(objects)).toEqual(before);
});

test('a file whose bytes are gone, or fewer, is named, and exit is 7', async () => {
  const { store, stop } = await servedStore();
  const objects = await stop();
  const chunks = (await keysOf(objects, 'c/')).filter((key) => /\/\d+-/.test(key));
  await objects.remove([chunks.find((key) => key.includes('/1-'))!]);
  await objects.put(
    chunks.find((key) => key.includes('/0-'))!,
    Buffer.from('short'),
  );
  const found = await check(store);
  expect(found.exitCode).toBe(7);
  const lost = found.lines.filter(({ kind }) => kind === 'content-missing');
  expect(lost.length).toBeGreaterThan(0);
  expect(
    lost.every(({ outcome, remedy }) => outcome === 'untouched' && String(remedy).includes('push')),
  ).toBe(true);
  expect(lost.map(({ target }) => target)).toContain('tree/large');
});

test('a damaged page of the tree is found by its digest, and nothing is freed then', async () => {
  const { store, stop } = await servedStore();
  const objects = await stop();
  await objects.put('c/o/nobody/object', Buffer.from('nobody needs this'));
  const page = (await keysOf(objects, 'c/')).find((key) => key.includes('/t-'))!;
  const found = await objects.get(page);
  if (found === undefined || found === 'unchanged') throw new Error('it is there');
  const bytes = await bytesOfObject(found);
  bytes[bytes.length >> 1]! ^= 1;
  await objects.put(page, bytes);
  const result = await check(store);
  expect([result.exitCode, kindsOf(result)]).toEqual([7, ['page-damaged untouched']]);
  expect(await keysOf(objects, 'c/o/nobody')).toEqual(['c/o/nobody/object']);
});

test('what nothing needs is named and freed, with --dry-run only named, and what is not of cairn stays', async () => {
  const { store, stop } = await servedStore();
  const objects = await stop();
  const before = await keysOf(objects, 'c/');
  await objects.put('c/o/nobody/object', Buffer.from('nobody needs this'));
  await objects.put('mine', Buffer.from('x'));
  await objects.put('s/AAAAAAAAAAAAAAAAAAAAAA', Buffer.from('no\nrecord'));
  const dry = await check(store, '--dry-run');
  const findings = ['object-stray note', 'objects-unused repaired', 'record-unreadable repaired'];
  expect([dry.exitCode, kindsOf(dry).toSorted(byText)], dry.stderr).toEqual([0, findings]);
  expect(await keysOf(objects, 'c/')).toHaveLength(before.length + 1);
  const real = await check(store);
  expect([real.exitCode, kindsOf(real).toSorted(byText)], real.stderr).toEqual([0, findings]);
  expect(await keysOf(objects, 'c/o/nobody')).toEqual([]);
  expect(await keysOf(objects, 's/AAAAAAAAAAAAAAAAAAAAAA')).toEqual([]);
  expect(await keysOf(objects, 'mine')).toEqual(['mine']);
  expect(kindsOf(await check(store))).toEqual(['object-stray note']);
});

test('a prefix in which no server ever was is no store in which everything is right', async () => {
  const store = path.join(temporaryDirectory(), 'store');
  mkdirSync(store, { mode: 0o700 });
  expect((await check(store)).last['code']).toBe('config-invalid');
});
