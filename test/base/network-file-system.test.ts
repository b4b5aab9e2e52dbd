import { expect, it } from 'vitest';
import { networkFileSystemOf } from '../../src/base/network-file-system.ts';
import { temporaryDirectory } from '../support/trees.ts';

const MOUNTS = [
  '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw',
  '97 22 0:52 / /mnt/there rw,nosuid shared:9 master:3 - fuse.sshfs host:/srv rw',
  '98 22 0:53 / /mnt/layers rw - fuse.fuse-overlayfs fuse-overlayfs rw',
  '',
].join('\n');

function view(type: number, device = '8:1') {
  return { typeOf: () => type, mounts: () => MOUNTS, deviceOf: async () => device };
}

it.each([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  // As a 32-bit kernel says it.
  [0xff534d42 | 0, 'CIFS'],
  [0x00c36400, 'CephFS'],
  [0x01021997, '9p'],
])('a file system of type %s is named %s', async (type, name) => {
  expect(await networkFileSystemOf('/mnt', view(type))).toBe(name);
});

it('ext4, memory and overlays count as disks of this machine', async () => {
  for (const type of [0xef53, 0x01021994, 0x794c7630])
    expect(await networkFileSystemOf('/mnt', view(type))).toBeUndefined();
});

it('the file system behind a FUSE mount is found in the list of mounts by its device', async () => {
  expect(await networkFileSystemOf('/mnt/there', view(0x65735546, '0:52'))).toBe('sshfs');
  expect(await networkFileSystemOf('/mnt/layers', view(0x65735546, '0:53'))).toBeUndefined();
});

it('a temporary directory of this machine lies on no network file system', async () => {
  expect(await networkFileSystemOf(temporaryDirectory())).toBeUndefined();
});
