import { describe, expect, it } from 'vitest';
import type { Native } from '../../src/base/native.ts';
import { withFewSyncs } from '../../src/storage/disk/tree/few-syncs.ts';

/** Calls of which those that sync take a while, and fail for one descriptor. */
function slowNative(): { native: Native; most: () => number } {
  let running = 0;
  let most = 0;
  const syncFileSystem = async (fd: number): Promise<void> => {
    most = Math.max(most, (running += 1));
    await new Promise((resolve) => setTimeout(resolve, 1));
    running -= 1;
    if (fd === 13) throw new Error('no such disk');
  };
  const unused = (): never => {
    throw new Error('not of this test');
  };
  return {
    native: {
      setTimes: unused,
      setLinkTimes: unused,
      lockFile: unused,
      renameAt: unused,
      renameNewAt: undefined,
      statAt: undefined,
      sendDatagram: unused,
      findData: unused,
      punchHole: unused,
      at: { open: unused, makeDirectory: unused, removeFile: unused },
      xattrs: { list: unused, get: unused, set: unused, remove: unused },
      users: { userName: unused, groupName: unused, uidOf: unused, gidOf: unused },
      syncFileSystem,
    },
    most: () => most,
  };
}

describe('syncs of a file system', () => {
  it('at most eight syncs of a file system run at a time, and one that fails delays no other', async () => {
    const { native, most } = slowNative();
    const sync = async (fd: number): Promise<void> => withSyncs.syncFileSystem?.(fd);
    const withSyncs = withFewSyncs(native);
    const outcomes = await Promise.allSettled(Array.from({ length: 300 }, (_, fd) => sync(fd)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(299);
    expect(most()).toBe(8);
    await expect(sync(1)).resolves.toBeUndefined();
  });

  it('syncs of one store do not wait for those of another, which may never end', async () => {
    const native: Native = { ...slowNative().native, syncFileSystem: () => new Promise<void>(() => {}) };
    const stuck = withFewSyncs(native);
    for (let count = 0; count < 20; count += 1) void stuck.syncFileSystem?.(count);
    await expect(withFewSyncs(slowNative().native).syncFileSystem?.(1)).resolves.toBeUndefined();
  });
});
