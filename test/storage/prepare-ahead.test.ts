/** Small files are cut out of their chunks while others come; what is published is the same, whatever happens meanwhile. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Directory } from '../../src/base/directory.ts';
import { storageError } from '../../src/base/errors.ts';
import type * as native from '../../src/base/native.ts';
import type { Native } from '../../src/base/native.ts';
import type { LocalDiskOptions } from '../../src/storage/disk/local-disk.ts';
import { expectTree } from '../suites/expected-tree.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  noise,
  orderOf,
  stageAll,
  stageChunk,
  transferOf,
  type Item,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, hasSyncFileSystem } from './local-disk-fixtures.ts';

const ID = 'prepare-ahead';
const BYTES_EACH = 5000;
/** Of 5,000 bytes each, in chunks of 64 KiB. */
const FILES_IN_CHUNK = 13;

const syncs = vi.hoisted(() => ({ of: [] as number[], failing: false }));

vi.mock('../../src/base/native.ts', async (importOriginal) => {
  const real = await importOriginal<typeof native>();
  const watched = async (): Promise<Native | undefined> => {
    const calls = await real.loadNative();
    const sync = calls?.syncFileSystem;
    if (sync === undefined) return undefined;
    const syncFileSystem = async (fd: number): Promise<void> => {
      syncs.of.push(fd);
      if (syncs.failing) throw storageError(Object.assign(new Error('EIO'), { code: 'EIO' }), 'syncing');
      await sync(fd);
    };
    return { ...calls!, syncFileSystem };
  };
  return { ...real, loadNative: watched };
});

afterEach(() => {
  vi.restoreAllMocks();
  Object.assign(syncs, { of: [], failing: false });
});

const tree = (): Item[] => [
  directory(''),
  ...Array.from({ length: 3 * FILES_IN_CHUNK }, (_, n) =>
    file(`f${String(n).padStart(2, '0')}`, BYTES_EACH, {
      mode: n % 2 === 0 ? 0o640 : 0o400,
      mtimeNs: BigInt(n),
    }),
  ),
];

/** The same entries, whose bytes are others by now. */
const withOtherBytes = (transfer: SampleTransfer): SampleTransfer => ({
  ...transfer,
  items: transfer.items.map(({ entry, bytes }) => ({
    entry,
    bytes: noise(bytes.length, `other ${entry.path}`),
  })),
});

/** A transfer that is open, and a look at its staging folder. */
async function opened(options?: LocalDiskOptions) {
  const place = diskPlace();
  // Files of a new directory are cut out into its tree: new-trees.test.ts.
  mkdirSync(join(place.root, 't'));
  const store = await place.open(options);
  const transfer = transferOf(store, 't', tree());
  const { area, staging } = await begin(store, ID, transfer);
  const folder = join(place.root, '.cairn/staging', ID);
  const prepared = (): string[] => readdirSync(folder).filter((name) => name.startsWith('p'));
  const hasPrepared = (count: number): Promise<void> =>
    vi.waitFor(() => expect(prepared()).toHaveLength(count), { timeout: 120_000 });
  return { place, store, transfer, area, staging, folder, prepared, hasPrepared };
}

describe.skipIf(!hasSyncFileSystem)('files that are prepared ahead (needs syncfs)', () => {
  test('files that are prepared ahead are whole while other chunks come, and are the ones published', async () => {
    const { place, store, transfer, staging, folder, hasPrepared } = await opened();
    await stageChunk(staging, transfer, 0);
    await hasPrepared(FILES_IN_CHUNK);
    const early = lstatSync(join(folder, 'p1'), { bigint: true });
    expect(readFileSync(join(folder, 'p1')).equals(transfer.items[1]!.bytes)).toBe(true);
    expect(Number(early.mode) % 0o1000).toBe(0o640);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    expect(lstatSync(join(place.root, 't/f00'), { bigint: true }).ino).toBe(early.ino);
    await expectTree(store, 't', tree());
  });

  test('files that are prepared ahead are made again when their chunk comes again with other bytes', async () => {
    const { store, transfer, staging, hasPrepared } = await opened();
    const other = withOtherBytes(transfer);
    await stageAll(staging, transfer);
    await hasPrepared(3 * FILES_IN_CHUNK);
    await stageChunk(staging, other, 1);
    await staging.publish(orderOf(transfer));
    const isOther = (index: number): boolean => index > FILES_IN_CHUNK && index <= 2 * FILES_IN_CHUNK;
    await expectTree(
      store,
      't',
      transfer.items.map((item, index) => (isOther(index) ? other.items[index]! : item)),
    );
  });

  test('files that are prepared ahead are made again when a sync lost their chunk and other bytes came', async () => {
    let failures = 1;
    const { store, transfer, staging, hasPrepared } = await opened({
      syncFile: async (handle) => {
        if (failures > 0) {
          failures -= 1;
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        }
        await handle.datasync();
      },
    });
    const other = withOtherBytes(transfer);
    await stageChunk(staging, transfer, 0);
    await hasPrepared(FILES_IN_CHUNK);
    expect(await codeOf(() => staging.sync())).toBe('storage-io');
    expect(staging.digests.has(0)).toBe(false);
    await stageAll(staging, other);
    await staging.publish(orderOf(transfer));
    await expectTree(store, 't', other.items);
  });

  test('files that are prepared ahead are synced through a handle that is older than they are', async () => {
    const { transfer, staging, folder, hasPrepared } = await opened();
    const handlesOfFolder = (): number[] =>
      readdirSync('/proc/self/fd')
        .map(Number)
        .filter((fd) => {
          try {
            return readlinkSync(`/proc/self/fd/${fd}`) === folder;
          } catch {
            return false; // that of the listing itself
          }
        });
    await stageChunk(staging, transfer, 0);
    await hasPrepared(FILES_IN_CHUNK);
    const early = handlesOfFolder();
    await stageAll(staging, transfer);
    syncs.of = [];
    await staging.publish(orderOf(transfer));
    expect(early).toContain(syncs.of[0]);
  });

  test('files that are prepared ahead are made again after a publishing that failed', async () => {
    const { store, transfer, staging, hasPrepared } = await opened();
    await stageAll(staging, transfer);
    await hasPrepared(3 * FILES_IN_CHUNK);
    syncs.failing = true;
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('storage-io');
    syncs.failing = false;
    await staging.publish(orderOf(transfer));
    await expectTree(store, 't', tree());
  });

  test('a file that is prepared ahead and excluded goes with the staging area', async () => {
    const { store, transfer, area, staging, prepared, hasPrepared, folder } = await opened();
    await stageAll(staging, transfer);
    await hasPrepared(3 * FILES_IN_CHUNK);
    await staging.publish(orderOf(transfer, { isExcluded: (index) => index === 5 }));
    expect(prepared()).toEqual(['p5']);
    await area.discard();
    expect(() => readdirSync(folder)).toThrow('ENOENT');
    await expectTree(store, 't', tree().toSpliced(5, 1));
  });

  test('files that are prepared ahead are removed when the chunks are closed, and nothing else is', async () => {
    const { transfer, area, staging, prepared, hasPrepared, store } = await opened();
    await stageAll(staging, transfer);
    await hasPrepared(3 * FILES_IN_CHUNK);
    await staging.close();
    expect(prepared()).toEqual([]);
    const again = await area.openChunks(transfer);
    await again.publish(orderOf(transfer));
    await expectTree(store, 't', tree());
  });

  test('files that cannot be prepared ahead since something is in the way are left to publishing', async () => {
    const { transfer, staging, folder, prepared, store } = await opened();
    mkdirSync(join(folder, 'p30'));
    await stageAll(staging, transfer);
    await vi.waitFor(() => expect(prepared()).toEqual(['p30']), { timeout: 120_000 });
    rmdirSync(join(folder, 'p30'));
    await staging.publish(orderOf(transfer));
    await expectTree(store, 't', tree());
  });

  test('files are not prepared ahead on a disk that has little more room than the transfer needs', async () => {
    vi.spyOn(Directory.prototype, 'space').mockReturnValue({ freeBytes: 1024 ** 3, totalBytes: 1024 ** 4 });
    const { transfer, staging, prepared, store } = await opened();
    await stageAll(staging, transfer);
    await wait(50);
    expect(prepared()).toEqual([]);
    await staging.publish(orderOf(transfer));
    await expectTree(store, 't', tree());
  });
});

test('files are not prepared ahead without syncfs, since each would have to stay open', async () => {
  const { transfer, staging, prepared, store } = await opened({ useNative: false });
  await stageAll(staging, transfer);
  await wait(50);
  expect(prepared()).toEqual([]);
  await staging.publish(orderOf(transfer));
  await expectTree(store, 't', tree());
});
