/** What another user has put under cairn's own names in a directory that both may write is left alone, and in nobody's way. */
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Directory } from '../../src/base/directory.ts';
import { expectTree, scanAll } from '../suites/expected-tree.ts';
import { begin, codeOf, directory, file, orderOf, stageAll, transferOf } from '../suites/staged-transfer.ts';
import { canChown, STRANGER } from '../support/requirements.ts';
import { diskPlace } from './local-disk-fixtures.ts';

const ID = 'of-mine';
const SIZE = 64 * 1024;
const MINE = `.cairn-${process.geteuid?.()}`;

/** Makes a directory that belongs to somebody else and that everybody may write. */
function strange(path: string): void {
  mkdirSync(path);
  chmodSync(path, 0o777);
  chownSync(path, STRANGER, STRANGER);
}

function names(root: string): string[] {
  return readdirSync(root).filter((name) => name.startsWith('.'));
}

describe.skipIf(!canChown)('directories that another user may write, too (needs root)', () => {
  it('a user stages beside the .cairn of a stranger, finds that staging again, and removes it in the end', async () => {
    const { root, open } = diskPlace();
    strange(join(root, '.cairn'));
    const transfer = transferOf(await open(), 'here', [
      directory(''),
      file('large', 3 * SIZE),
      file('small', 9),
    ]);
    const { staging: first } = await begin(await open(), ID, transfer);
    await stageAll(first, transfer);
    await first.close();
    expect(names(root)).toEqual(['.cairn', MINE]);
    const store = await open();
    expect(await store.listStaging()).toEqual([ID]);
    const area = await store.openStaging(ID);
    const staging = await area.openChunks(transfer);
    expect(staging.digests.chunks.size).toBe(transfer.layout.chunkCount);
    await staging.publish(orderOf(transfer));
    await area.discard();
    expect(names(root)).toEqual(['.cairn']);
    expect(readdirSync(join(root, '.cairn'))).toEqual([]);
    await expectTree(store, 'here', transfer.items);
    expect((await scanAll(store, '')).notices).toEqual([]);
  });

  it.each(['a directory', 'a link', 'a file'])(
    'a user can stage where %s of a stranger has each name that can be foreseen',
    async (what) => {
      const { root, outside, open } = diskPlace();
      for (const name of ['.cairn', MINE]) {
        const path = join(root, name);
        if (what === 'a directory') strange(path);
        else if (what === 'a link') symlinkSync(outside, path);
        else writeFileSync(path, 'mine');
        lchownSync(path, STRANGER, STRANGER);
      }
      const store = await open();
      await (await store.openStaging(ID)).save('plan', ['kept']);
      const [odd] = names(root).filter((name) => name.startsWith(`${MINE}-`));
      expect(existsSync(join(root, odd!, 'staging', ID, 'plan'))).toBe(true);
      const again = await open();
      expect(await again.listStaging()).toEqual([ID]);
      await (await again.openStaging(ID)).discard();
      expect(names(root)).toEqual(['.cairn', MINE]);
      expect(readdirSync(outside)).toEqual([]);
    },
  );

  it("staging under another name than .cairn is kept when the stranger's .cairn is gone", async () => {
    const { root, open } = diskPlace();
    strange(join(root, '.cairn'));
    await (await (await open()).openStaging(ID)).save('plan', ['kept']);
    renameSync(join(root, '.cairn'), join(root, 'away'));
    const store = await open();
    await (await store.openStaging('another')).save('plan', ['x']);
    expect(await (await store.openStaging(ID)).load('plan')).toBeDefined();
    for (const id of [ID, 'another']) await (await store.openStaging(id)).discard();
    expect(names(root)).toEqual([]);
  });

  it('a file that a stranger has put into the staging is never published', async () => {
    const { root, open } = diskPlace();
    const store = await open();
    const transfer = transferOf(store, 'here', [file('large', 3 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.close();
    const staged = join(root, '.cairn/staging', ID, 'e0');
    chownSync(staged, STRANGER, STRANGER);
    const again = await (await store.openStaging(ID)).openChunks(transfer);
    expect(await codeOf(() => again.publish(orderOf(transfer)))).toBe('owner-untrusted');
    expect(existsSync(join(root, 'here/large'))).toBe(false);
  });
});

it('a file that replaced the staged one after that was verified is not published', async () => {
  const { root, open } = diskPlace();
  const store = await open();
  const transfer = transferOf(store, 'here', [file('large', 3 * SIZE)]);
  const { staging } = await begin(store, ID, transfer);
  await stageAll(staging, transfer);
  const staged = join(root, '.cairn/staging', ID, 'e0');
  const original = Directory.prototype.checkInPlace;
  let looks = 0;
  const spy = vi.spyOn(Directory.prototype, 'checkInPlace').mockImplementation(function (this: Directory) {
    looks += 1;
    // The second look is the one after everything was synced, right before it is renamed.
    if (looks === 2) {
      renameSync(staged, `${staged}.away`);
      writeFileSync(staged, Buffer.alloc(3 * SIZE, 'evil'));
    }
    original.call(this);
  });
  onTestFinished(() => {
    spy.mockRestore();
  });
  expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('storage-io');
  expect(looks).toBeGreaterThanOrEqual(2);
  expect(existsSync(join(root, 'here/large'))).toBe(false);
});
