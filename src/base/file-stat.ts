/**
 * The metadata of a file. On Linux it comes from statx(2), whose structure is the same on every machine, relative to an
 * open directory: that takes half the time of a path through `/proc/self/fd`, and no swapped directory can divert it.
 */
import { type BigIntStats, constants, fstatSync, lstatSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { nativeError } from './native-error.ts';

/** The part of a BigIntStats that cairn uses; times are nanoseconds since 1970. */
export type FileStat = Pick<
  BigIntStats,
  'dev' | 'ino' | 'nlink' | 'mode' | 'uid' | 'gid' | 'size' | 'mtimeNs' | 'ctimeNs'
>;

/** The type of a file. */
export type FileKind = 'file' | 'directory' | 'symlink' | 'FIFO' | 'socket' | 'device';

/**
 * Looks at `name` in the open directory `fd`, without following a symbolic link; undefined where there is none.
 * An empty name means the open file `fd` itself. Throws system errors.
 */
export type StatAt = (fd: number, name: string) => FileStat | undefined;

const KINDS = new Map<number, FileKind>([
  [constants.S_IFREG, 'file'],
  [constants.S_IFDIR, 'directory'],
  [constants.S_IFLNK, 'symlink'],
  [constants.S_IFIFO, 'FIFO'],
  [constants.S_IFSOCK, 'socket'],
]);

/** The type that a mode states; both kinds of devices are one. */
export function kindOf({ mode }: Pick<FileStat, 'mode'>): FileKind {
  return KINDS.get(Number(mode) & constants.S_IFMT) ?? 'device';
}

/** `struct statx`: its length, and the offsets of its fields in units of their own length. */
const STATX = {
  lengthBytes: 256,
  nlink32: 4,
  uid32: 5,
  gid32: 6,
  mode16: 14,
  ino64: 4,
  size64: 5,
  ctime: { seconds64: 12, nanoseconds32: 26 },
  mtime: { seconds64: 14, nanoseconds32: 30 },
  devMajor32: 34,
  devMinor32: 35,
} as const;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
const NS_PER_S = 1_000_000_000n;
const ABSENT = new Set<number>([osConstants.errno.ENOENT, osConstants.errno.ENOTDIR]);

/** Binds statx; undefined where the C library does not have it. */
export function bindStatAt(module: typeof koffi, library: LibraryHandle): StatAt | undefined {
  let statx: ReturnType<LibraryHandle['func']>;
  try {
    statx = library.func('int statx(int dirfd, const char *path, int flags, uint32_t mask, void *stat)');
  } catch {
    return undefined;
  }
  const { buffer } = new BigUint64Array(STATX.lengthBytes / 8);
  const bytes = new Uint8Array(buffer);
  const half = new Uint16Array(buffer);
  const words = new Uint32Array(buffer);
  const long = new BigInt64Array(buffer);
  const nanoseconds = ({ seconds64, nanoseconds32 }: typeof STATX.ctime | typeof STATX.mtime): bigint =>
    long[seconds64]! * NS_PER_S + BigInt(words[nanoseconds32]!);
  // Device numbers as Node builds them from their two halves; Node's versions differ in how.
  const devices = new Map<number, bigint>();
  return (fd, name) => {
    const flags = name === '' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
    if (statx(fd, name, flags, STATX_BASIC_STATS, bytes) !== 0) return absent(module.errno());
    const ino = BigInt.asUintN(64, long[STATX.ino64]!);
    const device = words[STATX.devMajor32]! * 2 ** 32 + words[STATX.devMinor32]!;
    const dev = devices.get(device);
    if (dev === undefined) {
      const stat = statOnce(fd, name);
      if (stat?.ino === ino) devices.set(device, stat.dev);
      return stat;
    }
    return {
      dev,
      ino,
      nlink: BigInt(words[STATX.nlink32]!),
      mode: BigInt(half[STATX.mode16]!),
      uid: BigInt(words[STATX.uid32]!),
      gid: BigInt(words[STATX.gid32]!),
      size: long[STATX.size64]!,
      mtimeNs: nanoseconds(STATX.mtime),
      ctimeNs: nanoseconds(STATX.ctime),
    };
  };
}

function statOnce(fd: number, name: string): FileStat | undefined {
  if (name === '') return fstatSync(fd, { bigint: true });
  return lstatSync(`/proc/self/fd/${fd}/${name}`, { bigint: true, throwIfNoEntry: false });
}

/** Undefined for an errno that means "no such file"; throws any other. */
function absent(errno: number): undefined {
  if (!ABSENT.has(errno)) throw nativeError(errno, 'statx');
}
