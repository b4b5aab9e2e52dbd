/** File systems that other hosts mount, too: their locks, renames and syncs may not keep a local disk's promises. */
import { readFileSync, statfsSync } from 'node:fs';
import { stat } from 'node:fs/promises';

/** statfs(2) types of network and cluster file systems. */
const MAGIC: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x01021997, '9p'],
  [0x00c36400, 'CephFS'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x01161970, 'GFS2'],
  [0x7461636f, 'OCFS2'],
  [0x19830326, 'BeeGFS'],
]);
const FUSE = 0x65735546;
/** Types in mountinfo of FUSE mounts whose data lies on another host. */
const NETWORK_FUSE =
  /^fuse\.(sshfs|s3fs|rclone|goofys|mount-s3|gcsfuse|glusterfs|ceph|davfs|webdav|juicefs|lizardfs|mfs|seaweedfs|curlftpfs|blobfuse2?|smbnetfs|moosefs)$/;

/** The kernel's facts about a path; tests replace them. */
export interface FileSystemView {
  /** The type of statfs(2). */
  typeOf(path: string): number;
  /** The text of /proc/self/mountinfo (proc(5)); '' where there is none. */
  mounts(): string;
  /** `MAJOR:MINOR` of the device that a path lies on. */
  deviceOf(path: string): Promise<string>;
}

const SYSTEM: FileSystemView = {
  typeOf: (path) => statfsSync(path).type,
  mounts: () => {
    try {
      return readFileSync('/proc/self/mountinfo', 'utf8');
    } catch {
      return ''; // another system than Linux
    }
  },
  deviceOf: async (path) => deviceNumber((await stat(path, { bigint: true })).dev),
};

/** `MAJOR:MINOR` as mountinfo writes it, of a device number of stat(2) (gnu_dev_major(3)). */
function deviceNumber(dev: bigint): string {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  return `${major}:${BigInt.asUintN(32, minor)}`;
}

/** The name of the network file system that `path` lies on; undefined on a local disk. @throws system errors */
export async function networkFileSystemOf(
  path: string,
  view: FileSystemView = SYSTEM,
): Promise<string | undefined> {
  // Some kernels return it with a sign.
  const type = view.typeOf(path) >>> 0;
  if (type !== FUSE) return MAGIC.get(type);
  const device = await view.deviceOf(path);
  for (const line of view.mounts().split('\n')) {
    const fields = line.split(' ');
    const kind = fields[fields.indexOf('-') + 1];
    if (fields[2] === device && kind !== undefined && NETWORK_FUSE.test(kind))
      return kind.slice('fuse.'.length);
  }
  return undefined;
}
