import {
  closeSync,
  futimesSync,
  fstatSync,
  lstatSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadNative, type Native } from '../../src/base/native.ts';

const native = await loadNative();
let home: string;
let fd: number;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-native-'));
  writeFileSync(join(home, 'file'), 'x');
  fd = openSync(join(home, 'file'), 'r');
});
afterEach(() => {
  closeSync(fd);
  rmSync(home, { recursive: true });
});

describe.skipIf(native === undefined)('native calls', () => {
  const calls = native as Native;

  it.each([0n, 1n, 1_600_000_000_123_456_789n, -1n, -86_400_000_000_001n, 4_102_444_800_999_999_999n])(
    'a native call sets the time of a file to %s ns, and leaves its access time alone',
    (mtimeNs) => {
      futimesSync(fd, 1000, 2000);
      calls.setTimes(fd, mtimeNs);
      const stat = fstatSync(fd, { bigint: true });
      expect([stat.mtimeNs, stat.atimeNs]).toEqual([mtimeNs, 1_000_000_000_000n]);
    },
  );

  it('a native call sets the time of a symbolic link, not of what it points to', () => {
    const link = join(home, 'ünï link');
    symlinkSync('file', link);
    const before = fstatSync(fd, { bigint: true }).mtimeNs;
    calls.setLinkTimes(link, 987_654_321n);
    expect(lstatSync(link, { bigint: true }).mtimeNs).toBe(987_654_321n);
    expect(fstatSync(fd, { bigint: true }).mtimeNs).toBe(before);
  });

  it('native calls turn errno into storage errors', async () => {
    const failure = (code: string, systemCode: string) =>
      expect.objectContaining({ code, details: { systemCode } });
    expect(() => calls.setTimes(1_000_000, 0n)).toThrow(failure('storage-io', 'EBADF'));
    expect(() => calls.setLinkTimes(join(home, 'none'), 0n)).toThrow(failure('storage-io', 'ENOENT'));
    expect(() => calls.setLinkTimes(join(home, 'file/none'), 0n)).toThrow(
      failure('not-directory', 'ENOTDIR'),
    );
    await expect(calls.syncFileSystem?.(1_000_000)).rejects.toThrow(failure('storage-io', 'EBADF'));
  });

  it('a native call syncs the file system of a descriptor', async () => {
    await expect(calls.syncFileSystem?.(fd)).resolves.toBeUndefined();
  });

  it('the native calls are loaded once', async () => {
    expect(await loadNative()).toBe(native);
  });
});
