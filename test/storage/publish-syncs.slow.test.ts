/** How often the disk is asked to make things durable while 10,000 small files are published. */
import type * as fs from 'node:fs';
import { mkdirSync, readdirSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type * as native from '../../src/base/native.ts';
import type { Native } from '../../src/base/native.ts';
import { begin, directory, file, orderOf, stageAll, transferOf } from '../suites/staged-transfer.ts';
import { diskPlace, hasSyncFileSystem } from './local-disk-fixtures.ts';

const FILES = 10_000;
const FOLDERS = 20;
/** Files of one batch: see the design of small files in ARCHITECTURE.md. */
const BATCH_FILES = 2048;

const counted = vi.hoisted(() => ({ ofOne: 0, ofAll: 0 }));

vi.mock('node:fs', async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const counting = <T extends (...given: never[]) => unknown>(call: T): T =>
    ((...given: Parameters<T>) => {
      counted.ofOne += 1;
      return call(...given);
    }) as T;
  const syncs = {
    fsync: counting(real.fsync),
    fsyncSync: counting(real.fsyncSync),
    fdatasync: counting(real.fdatasync),
    fdatasyncSync: counting(real.fdatasyncSync),
  };
  return { ...real, ...syncs, default: { ...real, ...syncs } };
});

vi.mock('../../src/base/native.ts', async (importOriginal) => {
  const real = await importOriginal<typeof native>();
  const counting = async (): Promise<Native | undefined> => {
    const calls = await real.loadNative();
    if (calls?.syncFileSystem === undefined) return undefined;
    // What it costs is the disk's; how often it is called is ours.
    return { ...calls, syncFileSystem: async () => void (counted.ofAll += 1) };
  };
  return { ...real, loadNative: counting };
});

const CASES = [
  {
    what: 'in a directory that is there, with one sync a batch',
    isThere: true,
    most: FILES / BATCH_FILES + 2,
  },
  { what: 'in a new directory, with one sync before and one after', isThere: false, most: 2 },
];

test.skipIf(!hasSyncFileSystem).each(CASES)(
  '10,000 small files are published $what, and without a sync of each (needs syncfs)',
  async ({ isThere, most }) => {
    const place = diskPlace();
    if (isThere) mkdirSync(join(place.root, 'there'));
    const store = await place.open();
    const folders = Array.from({ length: FOLDERS }, (_, index) => directory(`d${index}`));
    const files = Array.from({ length: FILES }, (_, index) =>
      file(`d${index % FOLDERS}/f${index}`, `${index}`.padEnd(100, '.')),
    );
    const transfer = transferOf(store, 'there', [directory(''), ...folders, ...files]);
    const { staging } = await begin(store, 'session', transfer);
    await stageAll(staging, transfer);
    const probe = await open(place.root);
    const prototype = Object.getPrototypeOf(probe) as FileHandle;
    await probe.close();
    const ofHandles = [vi.spyOn(prototype, 'sync'), vi.spyOn(prototype, 'datasync')];
    Object.assign(counted, { ofOne: 0, ofAll: 0 });
    await staging.publish(orderOf(transfer));
    expect(counted.ofAll).toBeGreaterThan(1);
    expect(counted.ofAll).toBeLessThanOrEqual(most);
    const ofOne = counted.ofOne + ofHandles.reduce((sum, { mock }) => sum + mock.calls.length, 0);
    // The folders above the target, at most: none for each file or folder of the tree.
    expect(ofOne).toBeLessThan(5);
    vi.restoreAllMocks();
    await staging.close();
    expect(readdirSync(join(place.root, 'there/d7'))).toHaveLength(FILES / FOLDERS);
  },
);
