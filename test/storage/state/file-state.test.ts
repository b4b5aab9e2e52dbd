import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { acquireProcessLock } from '../../../src/base/process-lock.ts';
import { createFileState, openFileState } from '../../../src/storage/state/files/file-state.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { stateStoreSuite } from '../../suites/state-store.ts';
import { temporaryDirectory } from '../../support/trees.ts';

stateStoreSuite('documents as files of a state directory', async () => {
  const home = temporaryDirectory();
  const reopen = async () => createFileState(home, { lookEveryMs: 5 });
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

test('the documents of a server lie in files of their known names, readable by their owner only', async () => {
  const home = path.join(temporaryDirectory(), 'state');
  const state = await openFileState(home);
  const names = {
    'a/grants': 'grants.json',
    'a/keys/grant': 'grant-key',
    'a/keys/session': 'session-key',
    'a/last-seen': 'last-seen',
    'a/tokens': 'tokens.json',
    'a/usage': 'usage.json',
  };
  for (const [key, name] of Object.entries(names)) {
    expect(await state.compareAndSet(key, null, `of ${key}\n`)).toBeTypeOf('string');
    expect(readFileSync(path.join(home, name), 'utf8')).toBe(`of ${key}\n`);
    expect(statSync(path.join(home, name)).mode & 0o777).toBe(0o600);
    expect(state.where(key)).toBe(path.join(home, name));
  }
  const keys: string[] = [];
  for await (const { key } of state.list('a/')) keys.push(key);
  expect(keys).toEqual(Object.keys(names));
  expect(readdirSync(home).toSorted()).toEqual([...Object.values(names), 'tokens.lock'].toSorted());
});

test('a document without a file name of its own lies in private folders, and one key may begin another', async () => {
  const home = temporaryDirectory();
  const state = createFileState(home);
  for (const key of ['l/Collector', 'l', 'l/Collector/x']) await state.compareAndSet(key, null, key);
  expect((await createFileState(home).get('l/Collector'))?.text).toBe('l/Collector');
  const keys: string[] = [];
  for await (const { key } of state.list('l/')) keys.push(key);
  expect(keys).toEqual(['l/Collector', 'l/Collector/x']);
  for (const entry of readdirSync(home, { recursive: true, withFileTypes: true })) {
    const mode = statSync(path.join(entry.parentPath, entry.name)).mode & 0o777;
    expect(mode).toBe(entry.isDirectory() ? 0o700 : 0o600);
  }
});

test('a document that other users may have written is refused', async () => {
  const home = temporaryDirectory();
  writeFileSync(path.join(home, 'usage.json'), '{}');
  chmodSync(path.join(home, 'usage.json'), 0o666);
  expect(await codeOf(() => createFileState(home).get('a/usage'))).toBe('owner-untrusted');
});

test('a server removes at its next start what a killed one left of its writes', async () => {
  const home = temporaryDirectory();
  const state = createFileState(home);
  await state.compareAndSet('l/x', null, '1');
  const folders = [home, path.join(home, 'documents'), path.join(home, 'documents', 'l+')];
  for (const folder of folders) writeFileSync(path.join(folder, '.cairn-00ff.tmp'), 'half of a secret');
  await openFileState(home);
  for (const folder of folders) expect(readdirSync(folder)).not.toContain('.cairn-00ff.tmp');
  expect((await state.get('l/x'))?.text).toBe('1');
});

test('a change of the tokens waits for the command that holds their lock, and other documents do not', async () => {
  const home = temporaryDirectory();
  const state = createFileState(home);
  const lock = await acquireProcessLock(path.join(home, 'tokens.lock'));
  const done: string[] = [];
  const changing = state.compareAndSet('a/tokens', null, 'ours').then((version) => {
    done.push('changed');
    return version;
  });
  await state.compareAndSet('a/usage', null, 'is not kept waiting');
  // What the holder of the lock writes comes first.
  writeFileSync(path.join(home, 'tokens.json'), 'theirs');
  expect(done).toEqual([]);
  await lock.release();
  expect(await changing).toBeUndefined();
  expect((await state.get('a/tokens'))?.text).toBe('theirs');
});

test('a folder in the place of a document is an error, and no missing document', async () => {
  const home = temporaryDirectory();
  mkdirSync(path.join(home, 'last-seen'));
  expect(await codeOf(() => createFileState(home).get('a/last-seen'))).toBe('is-directory');
});
