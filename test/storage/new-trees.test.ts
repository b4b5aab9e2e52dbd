/** A directory that the destination does not have comes by one rename, with all that is in it. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { nativeError } from '../../src/base/native-error.ts';
import type * as native from '../../src/base/native.ts';
import { hardLink } from '../../src/manifest/hard-links.ts';
import type { PublishOrder } from '../../src/storage/content-store.ts';
import { expectTree } from '../suites/expected-tree.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  orderOf,
  stageAll,
  symlink,
  transferOf,
  type Item,
} from '../suites/staged-transfer.ts';
import { asNobody, diskPlace, type DiskPlace, hasSyncFileSystem } from './local-disk-fixtures.ts';

const ID = 'new-trees';
const SIZE = 64 * 1024;

type Rename = NonNullable<native.Native['renameNewAt']>;

/** What happens at the rename of a tree, in place of it or around it. */
const watch = vi.hoisted(() => ({
  renamed: [] as string[],
  around: undefined as ((rename: () => boolean) => boolean) | undefined,
}));

vi.mock('../../src/base/native.ts', async (importOriginal) => {
  const real = await importOriginal<typeof native>();
  const watched = async (): Promise<native.Native | undefined> => {
    const calls = await real.loadNative();
    if (calls?.renameNewAt === undefined) return calls;
    const renameNewAt: Rename = (...given) => {
      watch.renamed.push(`${given[1]} ${given[3]}`);
      const rename = (): boolean => calls.renameNewAt!(...given);
      return watch.around === undefined ? rename() : watch.around(rename);
    };
    return { ...calls, renameNewAt };
  };
  return { ...real, loadNative: watched };
});

afterEach(() => Object.assign(watch, { renamed: [], around: undefined }));

const tree = (): Item[] => [
  directory('', { mode: 0o750 }),
  directory('closed', { mode: 0o555, mtimeNs: 5n }),
  directory('closed/deep', { mode: 0o700, mtimeNs: 6n }),
  file('closed/deep/large', 2 * SIZE + 7, { mode: 0o400, mtimeNs: 7n }),
  file('closed/small', 100, { mode: 0o444 }),
  directory('empty', { mtimeNs: 8n }),
  file('nothing', ''),
  ...Array.from({ length: 30 }, (_, n) => file(`packed/${n}`, 3000 + n)),
  directory('packed', { mtimeNs: 9n }),
  symlink('link', 'closed'),
];

/** Stages a tree, and publishes it when asked. */
async function staged(place: DiskPlace, target: string, items: readonly Item[]) {
  const store = await place.open();
  const transfer = transferOf(store, target, items);
  const { area, staging } = await begin(store, ID, transfer);
  await stageAll(staging, transfer);
  const publish = (order: Partial<PublishOrder> = {}): Promise<void> =>
    staging.publish(orderOf(transfer, order));
  return { store, transfer, area, staging, publish, folder: join(place.root, '.cairn/staging', ID) };
}

describe.skipIf(!hasSyncFileSystem)('new directories (needs syncfs)', () => {
  test('a new directory appears with everything in it, at once and in its final shape', async () => {
    const place = diskPlace();
    const items = tree();
    const { store, publish } = await staged(place, 'above/t', items);
    const at = (path: string): string => join(place.root, 'above/t', path);
    const seen: unknown[] = [];
    watch.around = (rename) => {
      seen.push(existsSync(at('')));
      const isDone = rename();
      seen.push(readdirSync(at('packed')).length, readFileSync(at('closed/deep/large')).length);
      seen.push(statSync(at('closed')).mode & 0o777, lstatSync(at('packed'), { bigint: true }).mtimeNs);
      return isDone;
    };
    await publish();
    expect(seen).toEqual([false, 30, 2 * SIZE + 7, 0o555, 9n]);
    expect(watch.renamed).toEqual(['t0 t']);
    await expectTree(store, 'above/t', items);
  });

  test('a new directory beside existing ones appears at once, even if its modes lock its owner out', async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 't/old'), { recursive: true });
    for (const path of ['t', 't/old']) chmodSync(join(place.root, path), 0o777);
    await asNobody(place.root, async () => {
      const items = [
        ...tree().map(({ entry, bytes }) => ({
          entry: { ...entry, path: `old/new${entry.path === '' ? '' : `/${entry.path}`}` },
          bytes,
        })),
        file('old/new2/f', 'x'),
        directory('old/new2', { mode: 0o500 }),
      ];
      const { store, publish } = await staged(place, 't', [
        directory('', { mode: 0o777 }),
        directory('old', { mode: 0o777 }),
        ...items,
      ]);
      await publish();
      expect(watch.renamed.map((pair) => pair.split(' ')[1])).toEqual(['new', 'new2']);
      await expectTree(store, 't/old/new', tree());
    });
  });

  test('a new directory that exists by now is filled entry by entry, and what is in it stays', async () => {
    const place = diskPlace();
    const items = tree();
    const { store, publish, folder } = await staged(place, 't', items);
    watch.around = (rename) => {
      mkdirSync(join(place.root, 't/closed'), { recursive: true });
      writeFileSync(join(place.root, 't/mine'), 'mine');
      return rename();
    };
    await publish();
    expect(readFileSync(join(place.root, 't/mine'), 'utf8')).toBe('mine');
    await expectTree(store, 't', [
      ...items,
      {
        entry: {
          ...file('mine', 'mine').entry,
          mtimeNs: lstatSync(join(place.root, 't/mine'), { bigint: true }).mtimeNs,
        },
        bytes: Buffer.from('mine'),
      },
    ]);
    expect(readdirSync(folder).filter((name) => name.startsWith('t'))).toEqual([]);
  });

  test.each(['EXDEV', 'EINVAL', 'EACCES'] as const)(
    'a new directory is filled entry by entry when its rename ends with %s',
    async (code) => {
      const place = diskPlace();
      const items = tree();
      const { store, publish } = await staged(place, 't', items);
      watch.around = () => {
        throw nativeError(constants.errno[code], 'renameat2');
      };
      await publish();
      await expectTree(store, 't', items);
    },
  );

  test('a new directory does not appear after an I/O error, and the next try publishes it', async () => {
    const place = diskPlace();
    const items = tree();
    const { store, publish, staging, transfer, area } = await staged(place, 't', items);
    watch.around = () => {
      throw nativeError(5, 'renameat2');
    };
    expect(await codeOf(publish)).toBe('storage-io');
    expect(existsSync(join(place.root, 't'))).toBe(false);
    watch.around = undefined;
    await staging.close();
    const again = await area.openChunks(transfer);
    expect(again.digests.chunks.size).toBe(transfer.layout.chunkCount);
    await again.publish(orderOf(transfer));
    await expectTree(store, 't', items);
  });

  test('a large file that a killed process had moved into its new tree is found again behind closed modes', async () => {
    const place = diskPlace();
    await asNobody(place.root, async () => {
      const items = tree();
      const { store, staging, transfer, area, folder } = await staged(place, 't', items);
      await staging.close();
      const large = transfer.items.findIndex(({ entry }) => entry.path === 'closed/deep/large');
      mkdirSync(join(folder, 't0/closed/deep'), { recursive: true });
      renameSync(join(folder, `e${large}`), join(folder, 't0/closed/deep/large'));
      symlinkSync(place.outside, join(folder, 't0/leftover'));
      for (const path of ['t0/closed/deep', 't0/closed']) chmodSync(join(folder, path), 0o500);
      const report = await place.open({ upkeep: 'report' });
      const seen = await begin(report, ID, transfer);
      expect(seen.staging.digests.chunks.size).toBe(transfer.layout.chunkCount);
      await report.close();
      for (const path of ['t0/closed/deep', 't0/closed']) chmodSync(join(folder, path), 0);
      const again = await area.openChunks(transfer);
      expect(again.digests.chunks.size).toBe(transfer.layout.chunkCount);
      expect(existsSync(join(folder, 't0'))).toBe(false);
      await again.publish(orderOf(transfer));
      await expectTree(store, 't', items);
    });
  });

  test('a new directory appears without excluded entries, which a later run brings', async () => {
    const place = diskPlace();
    const items = tree();
    const { store, transfer, publish, staging, area } = await staged(place, 't', items);
    const left = new Set(['closed/small', 'closed/deep/large', 'packed/7', 'empty', 'link']);
    const isLeft = (index: number): boolean => left.has(transfer.items[index]!.entry.path);
    await publish({ isExcluded: isLeft });
    expect(watch.renamed).toHaveLength(1);
    await expectTree(
      store,
      't',
      items.filter(({ entry }) => !left.has(entry.path)),
    );
    await staging.close();
    await area.discard();
    const later = transferOf(store, 't', items, { isPresent: (index) => !isLeft(index) });
    const second = await begin(store, ID, later);
    await stageAll(second.staging, later);
    await second.staging.publish(orderOf(later, { isPresent: (index) => !isLeft(index) }));
    await expectTree(store, 't', items);
    expect(watch.renamed).toEqual(['t0 t', 't5 empty']);
  });

  test('a new directory is filled entry by entry where nothing may be replaced', async () => {
    const place = diskPlace();
    const items = tree();
    const { store, publish } = await staged(place, 't', items);
    await publish({ existing: 'kept' });
    expect(watch.renamed).toEqual([]);
    await publish({ existing: 'kept' });
    await expectTree(store, 't', items);
  });

  test('a new directory appears with the further names of files, also of a file that is elsewhere', async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 't/a'), { recursive: true });
    const items = [
      directory(''),
      directory('a'),
      file('a/first', 'abc'),
      directory('new', { mode: 0o555, mtimeNs: 3n }),
      file('new/large', SIZE + 1),
      { entry: hardLink('new/large again', 'new/large'), bytes: Buffer.alloc(0) },
      directory('newer', { mtimeNs: 4n }),
      directory('newer/inner', { mode: 0o500, mtimeNs: 5n }),
      { entry: hardLink('newer/inner/again', 'a/first'), bytes: Buffer.alloc(0) },
    ];
    const { publish } = await staged(place, 't', items);
    const inode = (path: string): number => lstatSync(join(place.root, 't', path)).ino;
    const linked: boolean[] = [];
    watch.around = (rename) => {
      const isDone = rename();
      linked.push(existsSync(join(place.root, 't/new/large again')));
      return isDone;
    };
    const refused: number[] = [];
    await publish({ onRefused: (index) => refused.push(index) });
    expect(refused).toEqual([]);
    expect(linked[0]).toBe(true);
    expect(inode('new/large again')).toBe(inode('new/large'));
    expect(inode('newer/inner/again')).toBe(inode('a/first'));
    for (const [path, mode, mtimeNs] of [
      ['new', 0o555, 3n],
      ['newer', 0o755, 4n],
      ['newer/inner', 0o500, 5n],
    ] as const) {
      const stat = lstatSync(join(place.root, 't', path), { bigint: true });
      expect([path, Number(stat.mode) & 0o777, stat.mtimeNs]).toEqual([path, mode, mtimeNs]);
    }
  });

  test('a new directory is made in its place where the directory above passes on its group', async () => {
    const place = diskPlace();
    mkdirSync(join(place.root, 'shared'));
    chmodSync(join(place.root, 'shared'), 0o2775);
    const items = tree();
    const { store, publish } = await staged(place, 'shared/t', items);
    await publish();
    expect(watch.renamed).toEqual([]);
    expect(statSync(join(place.root, 'shared/t')).mode & 0o2000).toBe(0o2000);
    await expectTree(
      store,
      'shared/t',
      items.map((item) =>
        item.entry.type === 'directory'
          ? { ...item, entry: { ...item.entry, mode: item.entry.mode | 0o2000 } }
          : item,
      ),
    );
  });
});
