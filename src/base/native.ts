/**
 * Calls of the C library that Node lacks: times with nanoseconds, also of symbolic links; syncfs, flock, statx; calls
 * below open directories; holes; extended attributes; names of users and groups; datagrams to Unix sockets. They come
 * through koffi, an optional dependency with prebuilt binaries; without it callers fall back.
 */
import { constants, release } from 'node:os';
import type koffi from 'koffi';
import type { LibraryHandle } from 'koffi';
import { type AtCalls, bindAtCalls } from './at-calls.ts';
import { storageError } from './errors.ts';
import { bindFindData, type FindData } from './file-holes.ts';
import { bindStatAt, type StatAt } from './file-stat.ts';
import { nativeError } from './native-error.ts';
import { bindSendDatagram, type SendDatagram } from './unix-datagram.ts';
import { bindUserDatabase, type UserDatabase } from './user-database.ts';
import { bindXattrs, type Xattrs } from './xattrs.ts';

/** Calls of the C library. Each throws CairnError with a storage code, unless it says otherwise. */
export interface Native {
  /** Sets the time of last modification of an open file or directory, in nanoseconds since 1970. */
  setTimes(fd: number, mtimeNs: bigint): void;
  /** The same for `path`, without following a symbolic link. */
  setLinkTimes(path: string, mtimeNs: bigint): void;
  /**
   * Makes everything in the file system of an open file durable, in a thread of its own; koffi takes 64 such calls at a
   * time. Throws write-back errors since `fd` was opened; undefined on kernels that do not report them.
   */
  readonly syncFileSystem: ((fd: number) => Promise<void>) | undefined;
  /**
   * Takes the lock of an open file (flock(2), exclusive) without waiting: false where another open file has it. The
   * kernel releases it when the descriptor closes, also by the death of the process; it knows nothing of pid
   * namespaces.
   */
  lockFile(fd: number): boolean;
  /** Moves a child of one open directory to a name in another, and replaces a file there. Throws system errors. */
  readonly renameAt: RenameAt;
  /** The same only where the name is free, else false; undefined where the C library cannot. Throws system errors. */
  readonly renameNewAt: ((...to: Parameters<RenameAt>) => boolean) | undefined;
  /** Looks at a child of an open directory; undefined where the C library has no statx. */
  readonly statAt: StatAt | undefined;
  /** Sends a datagram to a Unix socket. Throws system errors. */
  readonly sendDatagram: SendDatagram;
  /** Makes a hole in an open file, which reads as zeros; false where its file system has none. Throws system errors. */
  punchHole(fd: number, offset: number, lengthBytes: number): boolean;
  readonly findData: FindData;
  readonly xattrs: Xattrs;
  readonly at: AtCalls;
  readonly users: UserDatabase;
}

/** rename(2) between open directories. */
export type RenameAt = (fromFd: number, from: string, toFd: number, to: string) => void;

type Koffi = typeof koffi;

/** Architectures on which `struct timespec` is two 64-bit integers. */
const LONG64 = new Set(['x64', 'arm64', 'riscv64', 'loong64', 'ppc64']);
const UTIME_OMIT = 2n ** 30n - 2n;
const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const NS_PER_S = 1_000_000_000n;
const LOCK_EX_NB = 2 | 4;
const RENAME_NOREPLACE = 1;
/** With FALLOC_FL_KEEP_SIZE. */
const PUNCH_HOLE = 2 | 1;

let loading: Promise<Native | undefined> | undefined;

/** Loads the native calls once; undefined where this machine cannot load them. */
export function loadNative(): Promise<Native | undefined> {
  loading ??= load();
  return loading;
}

async function load(): Promise<Native | undefined> {
  if (process.platform !== 'linux' || !LONG64.has(process.arch)) return undefined;
  try {
    return bind((await import('koffi')).default);
  } catch {
    // The optional dependency may be missing or not fit the machine; every caller has another way.
    return undefined;
  }
}

function bind(module: Koffi): Native {
  const library = module.load(null);
  const futimens = library.func('int futimens(int fd, const void *ts)');
  const utimensat = library.func('int utimensat(int dirfd, const char *path, const void *ts, int flags)');
  const syncfs = library.func('int syncfs(int fd)');
  const fallocate = library.func('int fallocate(int fd, int mode, int64_t offset, int64_t length)');
  const flock = library.func('int flock(int fd, int operation)');
  const renameat = library.func('int renameat(int fromfd, const char *from, int tofd, const char *to)');
  const times = new BigInt64Array([0n, UTIME_OMIT, 0n, 0n]);
  const check = (result: number, doing: string): void => {
    if (result !== 0) throw systemError(module.errno(), doing);
  };
  return {
    setTimes: (fd, mtimeNs) =>
      check(futimens(fd, fill(times, mtimeNs)) as number, 'setting a modification time'),
    setLinkTimes: (path, mtimeNs) => {
      const result = utimensat(AT_FDCWD, path, fill(times, mtimeNs), AT_SYMLINK_NOFOLLOW) as number;
      check(result, 'setting the modification time of a symbolic link');
    },
    renameAt: (fromFd, from, toFd, to) => {
      if (renameat(fromFd, from, toFd, to) !== 0) throw nativeError(module.errno(), 'renameat');
    },
    renameNewAt: bindRenameNew(module, library),
    syncFileSystem: reportsWriteBackErrors(release()) ? (fd) => callSyncfs(module, syncfs, fd) : undefined,
    lockFile: (fd) => {
      if ((flock(fd, LOCK_EX_NB) as number) === 0) return true;
      const errno = module.errno();
      if (errno === constants.errno.EWOULDBLOCK) return false;
      throw systemError(errno, 'locking a file');
    },
    statAt: bindStatAt(module, library),
    sendDatagram: bindSendDatagram(module, library),
    punchHole: (fd, offset, lengthBytes) => {
      if ((fallocate(fd, PUNCH_HOLE, offset, lengthBytes) as number) === 0) return true;
      const errno = module.errno();
      if (errno === constants.errno.EOPNOTSUPP || errno === constants.errno.ENOSYS) return false;
      throw nativeError(errno, 'fallocate');
    },
    findData: bindFindData(module, library),
    xattrs: bindXattrs(module, library),
    at: bindAtCalls(module, library),
    users: bindUserDatabase(module, library),
  };
}

/** glibc has it from 2.28 on, musl does not. */
function bindRenameNew(module: Koffi, library: LibraryHandle): Native['renameNewAt'] {
  let renameat2: ReturnType<LibraryHandle['func']>;
  try {
    renameat2 = library.func(
      'int renameat2(int fromfd, const char *from, int tofd, const char *to, unsigned int flags)',
    );
  } catch {
    return undefined; // the caller decides how to do without
  }
  return (fromFd, from, toFd, to) => {
    if ((renameat2(fromFd, from, toFd, to, RENAME_NOREPLACE) as number) === 0) return true;
    const errno = module.errno();
    if (errno === constants.errno.EEXIST) return false;
    throw nativeError(errno, 'renameat2');
  };
}

/** Rounds seconds down, also before 1970: a timespec counts its nanoseconds upwards. */
function fill(times: BigInt64Array, mtimeNs: bigint): BigInt64Array {
  const nanoseconds = ((mtimeNs % NS_PER_S) + NS_PER_S) % NS_PER_S;
  times[2] = (mtimeNs - nanoseconds) / NS_PER_S;
  times[3] = nanoseconds;
  return times;
}

function callSyncfs(module: Koffi, syncfs: ReturnType<LibraryHandle['func']>, fd: number): Promise<void> {
  return new Promise((done, fail) => {
    syncfs.async(fd, (error: unknown, result: number) => {
      if (error !== null && error !== undefined) fail(storageError(error, 'calling syncfs'));
      else if (result === 0) done();
      else fail(systemError(module.errno(), 'syncing the file system'));
    });
  });
}

function systemError(errno: number, doing: string): Error {
  return storageError(nativeError(errno, doing), doing);
}

/** Since Linux 5.8, syncfs returns the errors of earlier write-back; before, it was silent about lost data. */
function reportsWriteBackErrors(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split('.').map((part) => Number.parseInt(part, 10));
  return major > 5 || (major === 5 && minor >= 8);
}
