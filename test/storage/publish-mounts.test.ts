/** What is published below a mount is durable when that is said: the sync of one file system does not reach another. */
import { fstatSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import type * as native from '../../src/base/native.ts';
import type { Native } from '../../src/base/native.ts';
import { begin, directory, file, orderOf, stageAll, transferOf } from '../suites/staged-transfer.ts';
import { canMount, mountTmpfs } from '../support/requirements.ts';
import { diskPlace, hasSyncFileSystem, openDescriptors } from './local-disk-fixtures.ts';

/** Devices that were synced, in their order. */
const synced = vi.hoisted(() => [] as number[]);

vi.mock('../../src/base/native.ts', async (importOriginal) => {
  const real = await importOriginal<typeof native>();
  const telling = async (): Promise<Native | undefined> => {
    const calls = await real.loadNative();
    const { syncFileSystem } = calls ?? {};
    if (calls === undefined || syncFileSystem === undefined) return undefined;
    return { ...calls, syncFileSystem: (fd) => (synced.push(fstatSync(fd).dev), syncFileSystem(fd)) };
  };
  return { ...real, loadNative: telling };
});

test.skipIf(!hasSyncFileSystem || !canMount).each([
  [
    'a tree with a mount in it',
    '',
    [directory(''), directory('mount'), directory('mount/empty'), file('f', 'x')],
  ],
  ['a file below a mount, in a directory that is missing', 'mount/made/file', [file('', 'x')]],
])(
  'publishing %s syncs both file systems in the end (needs syncfs and mounts)',
  async (_how, target, items) => {
    const place = diskPlace();
    const mount = join(place.root, 'mount');
    mkdirSync(mount);
    mountTmpfs(mount, 1024 * 1024);
    const store = await place.open();
    const transfer = transferOf(store, target, items);
    const { area, staging } = await begin(store, 'session', transfer);
    await stageAll(staging, transfer);
    const before = openDescriptors();
    synced.length = 0;
    await staging.publish(orderOf(transfer));
    expect(openDescriptors()).toBeLessThanOrEqual(before);
    expect(new Set(synced.slice(-2))).toEqual(new Set([statSync(place.root).dev, statSync(mount).dev]));
    await staging.close();
    await area.discard();
  },
);
