/** What cannot be put in its place on a real file system: it is named, and everything else arrives. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PublishOrder } from '../../src/storage/content-store.ts';
import { refusalsOf as refusalsOver } from '../suites/publish-over.ts';
import { directory, file, symlink, type Item } from '../suites/staged-transfer.ts';
import { canMount } from '../support/requirements.ts';
import { asNobody, diskPlace, type DiskPlace } from './local-disk-fixtures.ts';

const isRoot = process.getuid?.() === 0;

/** Publishes as the user of this process; answers what was refused. */
async function refusalsOf(
  place: DiskPlace,
  items: readonly Item[],
  { useNative = true, ...order }: Partial<PublishOrder> & { useNative?: boolean } = {},
): Promise<Record<string, string>> {
  return refusalsOver(await place.open({ useNative }), items, order);
}

const read = (place: DiskPlace, name: string): string =>
  readFileSync(join(place.root, 'there', name), 'utf8');

const TREE = [
  directory(''),
  directory('a'),
  file('a/f', 'new'),
  directory('locked'),
  file('locked/f', 'new'),
  directory('locked/made'),
  file('locked/made/f', 'new'),
  directory('z'),
  file('z/f', 'new'),
];

test.skipIf(!isRoot)('a directory of another user refuses only what belongs in it (needs root)', async () => {
  const place = diskPlace();
  mkdirSync(join(place.root, 'there/locked'), { recursive: true });
  chownSync(join(place.root, 'there'), 65_534, 65_534);
  for (const useNative of [true, false]) {
    const refused = await asNobody(place.root, () => refusalsOf(place, TREE, { useNative }));
    expect(refused).toEqual({
      'locked/f': 'storage-denied',
      'locked/made': 'storage-denied',
      'locked/made/f': 'storage-denied',
    });
    expect([read(place, 'a/f'), read(place, 'z/f')]).toEqual(['new', 'new']);
  }
});

test.skipIf(!isRoot)(
  'a directory that only its owner may search refuses only what belongs in it (needs root)',
  async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'there/locked'), { recursive: true, mode: 0o700 });
    chownSync(join(place.root, 'there'), 65_534, 65_534);
    const refused = await asNobody(place.root, () => refusalsOf(place, TREE));
    expect(Object.keys(refused)).toEqual(['locked', 'locked/f', 'locked/made', 'locked/made/f']);
    expect([read(place, 'a/f'), read(place, 'z/f')]).toEqual(['new', 'new']);
  },
);

test.skipIf(!isRoot)(
  'a directory of another user that everybody may write refuses nothing (needs root)',
  async () => {
    const place = diskPlace();
    for (const name of ['there', 'there/locked']) mkdirSync(join(place.root, name));
    for (const name of ['there', 'there/locked']) chmodSync(join(place.root, name), 0o777);
    expect(await asNobody(place.root, () => refusalsOf(place, TREE))).toEqual({});
    expect(read(place, 'locked/f')).toBe('new');
    expect(statSync(join(place.root, 'there')).mode & 0o7777).toBe(0o777);
  },
);

test.skipIf(!isRoot)('a file of another user whose time cannot be set is named (needs root)', async () => {
  const place = diskPlace();
  mkdirSync(join(place.root, 'there'));
  writeFileSync(join(place.root, 'there/f'), 'same');
  chownSync(join(place.root, 'there'), 65_534, 65_534);
  const order = { isPresent: (index: number) => index === 1, needsAttributes: () => true };
  const items = [directory(''), file('f', 'same'), file('g', 'new')];
  expect(await asNobody(place.root, () => refusalsOf(place, items, order))).toEqual({ f: 'storage-denied' });
  expect(read(place, 'g')).toBe('new');
});

test('an immutable file and an immutable directory are named, and the rest arrives', async (context) => {
  const place = diskPlace();
  mkdirSync(join(place.root, 'there/locked'), { recursive: true });
  writeFileSync(join(place.root, 'there/a'), 'old');
  const paths = ['there/a', 'there/locked'].map((name) => join(place.root, name));
  onTestFinished(() => void spawnSync('chattr', ['-i', ...paths]));
  if (spawnSync('chattr', ['+i', ...paths]).status !== 0) context.skip('no file can be made immutable here');
  const items = [
    directory(''),
    file('a', 'new'),
    directory('locked'),
    file('locked/f', 'new'),
    file('z', 'new'),
  ];
  const refused = await refusalsOf(place, items);
  expect(refused).toMatchObject({ 'a': 'storage-denied', 'locked/f': 'storage-denied' });
  expect([read(place, 'a'), read(place, 'z')]).toEqual(['old', 'new']);
});

test.skipIf(!canMount)(
  'a mounted file and a read-only mount are named, and the rest arrives (needs mounts)',
  async () => {
    const place = diskPlace();
    const busy = join(place.root, 'there/a');
    const readOnly = join(place.root, 'there/locked');
    mkdirSync(readOnly, { recursive: true });
    for (const path of [busy, join(place.outside, 'file')]) writeFileSync(path, 'old');
    const mount = (...words: string[]): void => expect(spawnSync('mount', words).status).toBe(0);
    onTestFinished(() => void spawnSync('umount', ['-l', busy, readOnly]));
    mount('--bind', join(place.outside, 'file'), busy);
    mount('--bind', place.outside, readOnly);
    mount('-o', 'remount,ro,bind', readOnly);
    const items = [
      directory(''),
      file('a', 'new'),
      directory('locked'),
      directory('locked/d'),
      file('locked/f', 'new'),
      symlink('locked/l', 'f'),
      file('z', 'new'),
    ];
    expect(await refusalsOf(place, items)).toEqual({
      'a': 'storage-denied',
      'locked': 'storage-read-only',
      'locked/d': 'storage-read-only',
      'locked/f': 'storage-read-only',
      'locked/l': 'storage-read-only',
    });
    expect([read(place, 'a'), read(place, 'z')]).toEqual(['old', 'new']);
  },
);

test.skipIf(!canMount)(
  'a link on a file system without links is named, and the rest arrives (needs vfat)',
  async (context) => {
    const place = diskPlace();
    const image = join(place.outside, 'image');
    writeFileSync(image, '');
    truncateSync(image, 20 * 1024 * 1024);
    onTestFinished(() => void spawnSync('umount', ['-l', place.root]));
    const isMade = spawnSync('mkfs.vfat', [image]).status === 0;
    if (!isMade || spawnSync('mount', ['-o', 'loop', image, place.root]).status !== 0)
      context.skip('this machine mounts no vfat');
    const items = [
      directory(''),
      file('a', 'new'),
      symlink('l', 'a'),
      file('what?', 'new'),
      file('z', 'new'),
    ];
    const refused = await refusalsOf(place, items);
    expect(refused).toEqual({ 'l': 'storage-denied', 'what?': 'storage-unsupported' });
    expect([read(place, 'a'), read(place, 'z')]).toEqual(['new', 'new']);
  },
);

test('a FIFO in the place of a file is left alone and named, unless it is to be replaced', async (context) => {
  const place = diskPlace();
  mkdirSync(join(place.root, 'there'));
  if (spawnSync('mkfifo', [join(place.root, 'there/a')]).status !== 0) context.skip('needs mkfifo');
  const items = [directory(''), file('a', 'new'), file('z', 'new')];
  expect(await refusalsOf(place, items)).toEqual({ a: 'storage-unsupported' });
  expect(statSync(join(place.root, 'there/a')).isFIFO()).toBe(true);
  expect(await refusalsOf(place, items, { forceReplace: true })).toEqual({});
  expect([read(place, 'a'), read(place, 'z')]).toEqual(['new', 'new']);
});

test.skipIf(!isRoot)(
  'publishing fails where no entry at all can be put in its place (needs root)',
  async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'there'));
    const several = [file('a', 'new'), file('b', 'new')];
    const denied = { code: 'storage-denied' };
    await expect(asNobody(place.root, () => refusalsOf(place, several))).rejects.toMatchObject(denied);
    const single = [file('', 'new')];
    chmodSync(join(place.root, 'there'), 0o700);
    await expect(asNobody(place.root, () => refusalsOf(place, single))).rejects.toMatchObject({
      code: 'is-directory',
    });
  },
);
