import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bindAtCalls } from '../../src/base/at-calls.ts';
import { loadNative } from '../../src/base/native.ts';

const native = await loadNative();

function errorOf(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    const { code, errno, syscall } = error as NodeJS.ErrnoException;
    return { code, errno, syscall };
  }
}

describe.skipIf(native === undefined)('native calls on children of a directory', () => {
  const calls = native!.at;
  let home: string;
  let fd: number;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'cairn-at-'));
    fd = openSync(home, 'r');
  });
  afterEach(() => {
    closeSync(fd);
    rmSync(home, { recursive: true });
  });

  it("native calls on children of a directory fail with the code, number and call of Node's own errors", () => {
    mkdirSync(join(home, 'there'));
    const pairs: [() => unknown, () => unknown][] = [
      [() => calls.open(fd, 'none', 0, 0), () => openSync(join(home, 'none'), 0)],
      [() => calls.makeDirectory(fd, 'there', 0o700), () => mkdirSync(join(home, 'there'))],
      [() => calls.removeFile(fd, 'none'), () => unlinkSync(join(home, 'none'))],
      [() => calls.removeFile(fd, 'there'), () => unlinkSync(join(home, 'there'))],
    ];
    for (const [ours, theirs] of pairs) expect(errorOf(ours)).toEqual(errorOf(theirs));
    expect(() => calls.open(fd, 'none', 0, 0)).toThrow(/^ENOENT: no such file or directory, open 'none'$/);
  });

  it('native calls open files that no child process inherits', () => {
    const file = calls.open(fd, 'file', 0o101, 0o600);
    try {
      const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[1];
      expect(Number.parseInt(flags!, 8) & 0o2000000).toBe(0o2000000);
    } finally {
      closeSync(file);
    }
  });
});

describe('interrupted calls', () => {
  it('a native call that a signal interrupts is made again, and its other errors are thrown', () => {
    const outcomes = [constants.errno.EINTR, constants.errno.EINTR, 0, constants.errno.ENOSPC];
    let errno = 0;
    const func = () => () => {
      errno = outcomes.shift()!;
      return errno === 0 ? 7 : -1;
    };
    const library = { func } as unknown as LibraryHandle;
    const calls = bindAtCalls({ errno: () => errno } as typeof koffi, library);
    expect(calls.open(3, 'name', 0, 0)).toBe(7);
    expect(() => calls.makeDirectory(3, 'name', 0)).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(outcomes).toEqual([]);
  });
});
