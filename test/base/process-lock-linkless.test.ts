/** File systems without hard links (vfat, some FUSE and network ones) have locks all the same. */
import type * as promises from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { acquireProcessLock } from '../../src/base/process-lock.ts';
import { temporaryDirectory } from '../support/trees.ts';

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof promises>();
  const link = (): Promise<never> =>
    Promise.reject(Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' }));
  return { ...real, link, default: { ...real, link } };
});

test('a process lock is taken, refused and released where no hard link can be made', async () => {
  const directory = join(temporaryDirectory(), 'lock');
  const lock = await acquireProcessLock(directory);
  await expect(acquireProcessLock(directory)).rejects.toMatchObject({ code: 'transfer-locked' });
  await lock.release();
  await (await acquireProcessLock(directory)).release();
  expect(readdirSync(directory)).toEqual(['lock.2']);
});
