/** The names on the way to a staging area are as durable as what is in it. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Directory } from '../../src/base/directory.ts';
import { CairnError } from '../../src/base/errors.ts';
import { openLocalDisk } from '../../src/storage/disk/local-disk.ts';
import { codeOf } from '../suites/staged-transfer.ts';
import { temporaryDirectory } from '../support/trees.ts';

/** The paths of directories that were synced, relative to `root`; `fail` may stand in the way of one. */
function watchSyncs(root: string, fail: (synced: string) => void = () => {}): string[] {
  const synced: string[] = [];
  const spy = vi.spyOn(Directory.prototype, 'sync').mockImplementation(function (this: Directory) {
    const name = path.relative(root, this.displayPath);
    fail(name);
    synced.push(name);
  });
  onTestFinished(() => {
    spy.mockRestore();
  });
  return synced;
}

it('opening a staging area syncs once the directories that an earlier run may have made', async () => {
  const root = temporaryDirectory();
  mkdirSync(path.join(root, '.cairn/staging/a'), { recursive: true });
  const store = await openLocalDisk(root);
  onTestFinished(() => store.close());
  const synced = watchSyncs(root);
  await store.openStaging('a');
  await store.openStaging('a');
  expect(synced).toEqual(['', '.cairn', '.cairn/staging']);
  await store.openStaging('b');
  expect(synced.slice(3)).toEqual(['.cairn/staging']);
});

it('opening a staging area leaves no folder whose name could not be made durable', async () => {
  const root = temporaryDirectory();
  const store = await openLocalDisk(root);
  onTestFinished(() => store.close());
  watchSyncs(root, (name) => {
    if (name === '.cairn/staging') throw new CairnError('storage-io', 'the disk says EIO');
  });
  expect(await codeOf(() => store.openStaging('a'))).toBe('storage-io');
  expect(existsSync(path.join(root, '.cairn/staging/a'))).toBe(false);
});

it('opening a staging area closes its directories when it fails', async () => {
  const root = temporaryDirectory();
  const store = await openLocalDisk(root);
  onTestFinished(() => store.close());
  mkdirSync(path.join(root, '.cairn'), { mode: 0o700 });
  writeFileSync(path.join(root, '.cairn/staging'), 'in the way');
  const opened = vi.spyOn(Directory.prototype, 'openChild');
  onTestFinished(() => {
    opened.mockRestore();
  });
  expect(await codeOf(() => store.openStaging('a'))).toBe('not-directory');
  expect(await codeOf(() => store.listStaging())).toBe('not-directory');
  const directories = opened.mock.results.flatMap(({ type, value }) => (type === 'return' ? [value] : []));
  expect(directories.length).toBeGreaterThan(1);
  for (const directory of directories) expect(() => directory.fd).toThrow('used after close');
});
