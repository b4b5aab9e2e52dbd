/** A root on the local disk, and what the tests of its own ways have in common. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { loadNative } from '../../src/base/native.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { openLocalDisk, type LocalDiskOptions } from '../../src/storage/disk/local-disk.ts';

/** Whether this machine can make a whole file system durable at once. */
export const hasSyncFileSystem = (await loadNative())?.syncFileSystem !== undefined;

/** An empty root, and a place beside it that no store may touch. */
export interface DiskPlace {
  readonly root: string;
  readonly outside: string;
  open(options?: LocalDiskOptions): Promise<ContentStore>;
}

/** Makes a place that goes with the test; its stores are closed, and no descriptor may be left. */
export function diskPlace(): DiskPlace {
  const home = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
  const root = join(home, 'root');
  const outside = join(home, 'outside');
  mkdirSync(root);
  mkdirSync(outside);
  const stores: ContentStore[] = [];
  onTestFinished(async () => {
    for (const store of stores) await store.close();
    rmSync(home, { recursive: true, force: true });
  });
  return {
    root,
    outside,
    open: async (options) => {
      const store = await openLocalDisk(root, options);
      stores.push(store);
      return store;
    },
  };
}

/** Number of descriptors that this process has open. */
export function openDescriptors(): number {
  return process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;
}

/** Does something as another user than root; without root, as who we are. */
export async function asNobody<T>(path: string, action: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return action();
  const { chownSync } = await import('node:fs');
  chownSync(path, 65_534, 65_534);
  chownSync(join(path, '..'), 65_534, 65_534);
  process.setegid?.(65_534);
  process.seteuid?.(65_534);
  try {
    return await action();
  } finally {
    process.seteuid?.(0);
    process.setegid?.(0);
  }
}
