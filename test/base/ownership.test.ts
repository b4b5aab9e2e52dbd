/** What somebody else may have made is told from this user's own. */
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDirectory } from '../../src/base/directory.ts';
import { makePrivateDirectory } from '../../src/base/durable-files.ts';
import { claimDirectory, refuseExchangeable, whyForeign } from '../../src/base/ownership.ts';
import { readIfThere, readOwnSync } from '../../src/base/read-if-there.ts';
import { codeOf } from '../suites/staged-transfer.ts';
import { canChown, canMount, mountVfat, STRANGER } from '../support/requirements.ts';
import { temporaryDirectory } from '../support/trees.ts';

function fileWith(mode: number, owner?: number): string {
  const file = path.join(temporaryDirectory(), 'file');
  writeFileSync(file, 'text');
  chmodSync(file, mode);
  if (owner !== undefined) chownSync(file, owner, owner);
  return file;
}

function claim(directory: string): string | undefined {
  const open = openDirectory(directory);
  try {
    return claimDirectory(open);
  } finally {
    open.close();
  }
}

describe('trusted files', () => {
  it.each([0o600, 0o644, 0o400])('a file of this user with mode %o is read', async (mode) => {
    const file = fileWith(mode);
    expect((await readIfThere(file))?.toString()).toBe('text');
    expect(readOwnSync(file)).toBe('text');
  });

  it.each([0o620, 0o602, 0o666])(
    'a file that others may write (mode %o) is refused, with the way out',
    async (mode) => {
      const file = fileWith(mode);
      expect(await codeOf(() => readIfThere(file))).toBe('owner-untrusted');
      expect(() => readOwnSync(file)).toThrow(`run: chmod go-w ${file}`);
    },
  );

  it.skipIf(!canChown)('a file of another user is refused, whatever its mode (needs root)', async () => {
    const file = fileWith(0o600, STRANGER);
    expect(await codeOf(() => readIfThere(file))).toBe('owner-untrusted');
    expect(whyForeign(statSync(file))).toContain(`another user (number ${STRANGER}`);
    expect(() => readOwnSync(file)).toThrow(`chown -R 0 ${file}`);
  });

  it('a file of root is read by everybody', () => {
    expect(whyForeign({ dev: 1, uid: 0, mode: 0o644 })).toBeUndefined();
  });

  it('a file that is not there reads as none', async () => {
    expect(await readIfThere(path.join(temporaryDirectory(), 'none'))).toBeUndefined();
  });
});

describe('trusted directories', () => {
  it('a private directory of this user loses the rights of others', async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o777);
    await makePrivateDirectory(directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('a directory that all users share is refused as private, and stays as it is', async () => {
    const directory = temporaryDirectory();
    chmodSync(directory, 0o1777);
    await expect(makePrivateDirectory(directory)).rejects.toMatchObject({
      code: 'owner-untrusted',
      message: expect.stringContaining('name a directory of your own'),
    });
    expect(statSync(directory).mode & 0o7777).toBe(0o1777);
  });

  it.skipIf(!canChown)(
    'a directory of another user is refused as private, and stays as it is (needs root)',
    async () => {
      const directory = temporaryDirectory();
      chmodSync(directory, 0o777);
      chownSync(directory, STRANGER, STRANGER);
      expect(await codeOf(() => makePrivateDirectory(directory))).toBe('owner-untrusted');
      expect(readdirSync(directory)).toEqual([]);
      expect(statSync(directory).mode & 0o777).toBe(0o777);
    },
  );

  it('a directory below one that others may write is refused, unless that one has the sticky bit', async () => {
    const above = temporaryDirectory();
    const directory = path.join(above, 'in/it');
    mkdirSync(directory, { recursive: true });
    refuseExchangeable(directory);
    chmodSync(path.join(above, 'in'), 0o757);
    expect(await codeOf(() => refuseExchangeable(directory))).toBe('owner-untrusted');
    chmodSync(path.join(above, 'in'), 0o1777);
    refuseExchangeable(directory);
  });

  it.skipIf(!canChown)(
    "a directory below one of a group is refused, unless it is the user's own group (needs root)",
    async () => {
      const above = temporaryDirectory();
      const directory = path.join(above, 'it');
      mkdirSync(directory);
      chmodSync(above, 0o770);
      refuseExchangeable(directory);
      chownSync(above, 0, STRANGER);
      chmodSync(above, 0o770);
      expect(await codeOf(() => refuseExchangeable(directory))).toBe('owner-untrusted');
    },
  );

  it.skipIf(!canMount)(
    "a directory of a file system that keeps no owners counts as the user's own (needs root and vfat)",
    (context) => {
      const disk = path.join(temporaryDirectory(), 'disk');
      if (!mountVfat(disk, `uid=${STRANGER}`, 'umask=000')) context.skip('no vfat here');
      const directory = path.join(disk, 'd');
      mkdirSync(directory);
      expect(statSync(directory)).toMatchObject({ uid: STRANGER });
      expect(claim(directory)).toBeUndefined();
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});
