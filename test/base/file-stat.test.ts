/** Looking at files below an open directory, without Node's own call and with it. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDirectory } from '../../src/base/directory.ts';
import { kindOf, type StatAt } from '../../src/base/file-stat.ts';
import { loadNative } from '../../src/base/native.ts';

const native = await loadNative();

let home: string;
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'cairn-stat-'))));
afterEach(() => rmSync(home, { recursive: true }));

describe.skipIf(native?.statAt === undefined)('statx below an open directory', () => {
  const statAt = native?.statAt as StatAt;
  let fd: number;
  beforeEach(() => (fd = openSync(home, 'r')));
  afterEach(() => closeSync(fd));

  function expectLikeNode(name: string): void {
    const { dev, ino, mode, size, mtimeNs, ctimeNs } = lstatSync(join(home, name), { bigint: true });
    // The first look at a device asks Node; those after it do not.
    for (let look = 0; look < 2; look += 1) {
      expect(statAt(fd, name)).toMatchObject({ dev, ino, mode, size, mtimeNs, ctimeNs });
    }
  }

  it('statx says the same as Node of files, directories, links and odd names', () => {
    writeFileSync(join(home, 'file'), 'twelve bytes');
    writeFileSync(join(home, 'ünï 😀\n'), '');
    mkdirSync(join(home, 'directory'));
    chmodSync(join(home, 'directory'), 0o3751);
    symlinkSync('nowhere', join(home, 'link'));
    for (const name of ['file', 'ünï 😀\n', 'directory', 'link']) expectLikeNode(name);
    expect(kindOf(statAt(fd, 'link')!)).toBe('symlink');
  });

  it('statx says the same as Node of sizes beyond 32 bits', () => {
    writeFileSync(join(home, 'sparse'), '');
    truncateSync(join(home, 'sparse'), 2 ** 41 + 7);
    expectLikeNode('sparse');
  });

  it.each([0n, 1n, -1n, -86_400_000_000_001n, 1_600_000_000_123_456_789n, 4_102_444_800_999_999_999n])(
    'statx says the same as Node of a time of %s ns',
    (mtimeNs) => {
      writeFileSync(join(home, 'file'), '');
      native!.setLinkTimes(join(home, 'file'), mtimeNs);
      expect(statAt(fd, 'file')?.mtimeNs).toBe(mtimeNs);
      expectLikeNode('file');
    },
  );

  it('statx says the same as Node of a file on another device', () => {
    const other = openDirectory('/proc');
    const { dev } = lstatSync('/proc/version', { bigint: true });
    writeFileSync(join(home, 'file'), '');
    for (let look = 0; look < 2; look += 1) {
      expect(statAt(other.fd, 'version')?.dev).toBe(dev);
      expectLikeNode('file');
    }
    other.close();
  });

  it('statx says the same as Node of an open file, whatever has become of its name', () => {
    writeFileSync(join(home, 'file'), 'twelve bytes');
    const open = openSync(join(home, 'file'), 'r');
    for (let look = 0; look < 2; look += 1) {
      const { dev, ino, mode, size, mtimeNs, ctimeNs } = fstatSync(open, { bigint: true });
      expect(statAt(open, '')).toMatchObject({ dev, ino, mode, size, mtimeNs, ctimeNs });
      if (look === 0) unlinkSync(join(home, 'file'));
    }
    closeSync(open);
  });

  it('statx finds nothing where nothing is, and fails where it cannot look', () => {
    expect(statAt(fd, 'missing')).toBeUndefined();
    expect(() => statAt(1_000_000, 'file')).toThrow(expect.objectContaining({ code: 'EBADF' }));
    expect(() => statAt(fd, 'x'.repeat(300))).toThrow(expect.objectContaining({ code: 'ENAMETOOLONG' }));
  });
});

describe.each([true, false])('looks at children (native: %s)', (isNative) => {
  const statAt = isNative ? native?.statAt : undefined;

  it('a look at a child refuses names that are not those of a child', () => {
    const directory = openDirectory(home);
    for (const name of ['', '.', '..', 'a/b', '../x', 'a\0']) {
      expect(() => directory.look(name, statAt)).toThrow(expect.objectContaining({ code: 'path-unsafe' }));
    }
    expect(directory.look('missing', statAt)).toBeUndefined();
    directory.close();
    expect(() => directory.look('missing', statAt)).toThrow(expect.objectContaining({ code: 'internal' }));
  });

  it('a look at a child knows every kind of file', async () => {
    writeFileSync(join(home, 'file'), '');
    mkdirSync(join(home, 'directory'));
    symlinkSync('file', join(home, 'symlink'));
    expect(spawnSync('mkfifo', [join(home, 'FIFO')]).status).toBe(0);
    const server = createServer();
    await new Promise<void>((ready) => server.listen(join(home, 'socket'), ready));
    const directory = openDirectory(home);
    const kinds = ['file', 'directory', 'symlink', 'FIFO', 'socket'];
    expect(kinds.map((name) => kindOf(directory.look(name, statAt)!))).toEqual(kinds);
    directory.close();
    server.close();
    const devices = openDirectory('/dev');
    expect(kindOf(devices.look('null', statAt)!)).toBe('device');
    devices.close();
  });
});
