import {
  existsSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { objectStoreSuite } from '../../suites/object-store.suite.ts';
import { keysOf, textOf } from '../../suites/objects-at-hand.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { checkAgainstMap } from './object-model.ts';

async function newRoot(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'cairn-objects-'));
  onTestFinished(() => rm(home, { recursive: true, force: true }));
  return join(home, 'objects');
}

objectStoreSuite('objects in a directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cairn-objects-'));
  const reopen = () => openDirectoryObjects(join(home, 'objects'));
  return { store: await reopen(), reopen, cleanup: () => rm(home, { recursive: true, force: true }) };
});

it('objects in a directory agree with a map after any operations', async () => {
  const root = await newRoot();
  let run = 0;
  await checkAgainstMap(() => openDirectoryObjects(`${root}-${(run += 1)}`), 40);
});

/** Every path below a directory. */
const below = (path: string): string[] => readdirSync(path, { recursive: true, encoding: 'utf8' });

it('a directory of objects holds nothing of an object that was removed, not even its folders', async () => {
  const root = await newRoot();
  const store = await openDirectoryObjects(root);
  for (const key of ['a/b/c', 'a/b', 'd']) await store.put(key, Buffer.from('x'));
  await store.remove(['a/b/c', 'd', 'a/b']);
  expect(below(root).toSorted()).toEqual(['drafts', 'format', 'keys']);
});

it('a directory of objects keeps one version of each object, and no draft', async () => {
  const root = await newRoot();
  const store = await openDirectoryObjects(root);
  for (let n = 0; n < 5; n += 1) await store.put('k', Buffer.from(`version ${n}`));
  await Promise.all(Array.from({ length: 8 }, (_, n) => store.put('k', Buffer.from(`rival ${n}`))));
  expect(readdirSync(join(root, 'drafts'))).toEqual([]);
  expect(readdirSync(join(root, 'keys/k='))).toHaveLength(2);
});

it('a directory of objects shows nothing of a put that was cut, and lets the next one win', async () => {
  const root = await newRoot();
  const store = await openDirectoryObjects(root);
  const etag = await store.put('k', Buffer.from('old'));
  // As killed processes leave them: bytes beside those that are there, and a draft of a new object.
  const [life = ''] = etag!.split('-');
  writeFileSync(join(root, 'keys/k=', `${life}-2-${'f'.repeat(24)}-1-3`), 'cut');
  mkdirSync(join(root, 'drafts', 'e'.repeat(24)));
  writeFileSync(join(root, 'drafts', 'e'.repeat(24), 'body'), 'cut');
  expect([await textOf(store, 'k'), await keysOf(store)]).toEqual(['old', ['k']]);
  await store.put('k', Buffer.from('new'), { ifMatch: etag! });
  expect(await textOf(store, 'k')).toBe('new');
  expect(readdirSync(join(root, 'keys/k='))).toHaveLength(2);
});

it('a directory of objects removes drafts of dead processes a day later, and never sooner', async () => {
  const root = await newRoot();
  await openDirectoryObjects(root);
  const [old, young] = ['a', 'b'].map((digit) => join(root, 'drafts', digit.repeat(24)));
  for (const path of [old!, young!]) mkdirSync(path);
  const days = (count: number) => new Date(Date.now() - count * 24 * 3600 * 1000);
  utimesSync(old!, days(1.1), days(1.1));
  utimesSync(young!, days(0.9), days(0.9));
  await openDirectoryObjects(root);
  expect([existsSync(old!), existsSync(young!)]).toEqual([false, true]);
});

it('a put fails when its draft is removed while it goes on, and nothing shows of it', async () => {
  const root = await newRoot();
  const store = await openDirectoryObjects(root);
  async function* open(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ab');
    await rm(join(root, 'drafts'), { recursive: true });
    mkdirSync(join(root, 'drafts'));
    yield Buffer.from('cd');
  }
  expect(await codeOf(() => store.put('k', { sizeBytes: 4, open }))).toBe('storage-io');
  expect(await keysOf(store)).toEqual([]);
});

it('a directory of objects of a newer cairn is refused, and left as it is', async () => {
  const root = await newRoot();
  mkdirSync(root);
  writeFileSync(join(root, 'format'), '{"format":"cairn-objects","version":2}');
  expect(await codeOf(() => openDirectoryObjects(root))).toBe('journal-version');
  expect(readdirSync(root)).toEqual(['format']);
});

it('a directory of objects that is a link to somewhere else is refused', async () => {
  const root = await newRoot();
  mkdirSync(`${root}-outside`);
  symlinkSync(`${root}-outside`, root);
  expect(await codeOf(() => openDirectoryObjects(root))).toBe('symlink-refused');
  expect(readdirSync(`${root}-outside`)).toEqual([]);
});

it('a directory with other files in it is refused as a store of objects, and stays as it is', async () => {
  const root = await newRoot();
  mkdirSync(root, { mode: 0o755 });
  writeFileSync(join(root, 'mine'), 'x');
  expect(await codeOf(() => openDirectoryObjects(root))).toBe('config-invalid');
  expect([readdirSync(root), statSync(root).mode & 0o777]).toEqual([['mine'], 0o755]);
});
