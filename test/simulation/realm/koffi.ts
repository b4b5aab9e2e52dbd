/** In place of `koffi`: the calls of the C library that cairn makes through it. */
import { constants } from 'node:os';
import { errnoOf } from '../disk/system-error.ts';
import { realm } from './simulation.ts';

type Call = ((...given: never[]) => number) & { async?: unknown };

let lastErrno = 0;

function result(work: () => void): number {
  try {
    work();
    return 0;
  } catch (error) {
    return failed(error);
  }
}

/** Notes the number of a system error; what is none passes through. */
function failed(error: unknown): number {
  lastErrno = errnoOf(error);
  if (lastErrno === 0) throw error;
  return -1;
}

const modified = (times: BigInt64Array): bigint => times[2]! * 1_000_000_000n + times[3]!;

function futimens(fd: number, times: BigInt64Array): number {
  return result(() => realm.process.files.setModified(fd, modified(times)));
}

function utimensat(_directory: number, path: string, times: BigInt64Array): number {
  return result(() => realm.process.files.setModified(path, modified(times)));
}

/** Nobody else is there to hold it. */
const flock = (): number => 0;

const at = (fd: number, name: string): string => `/proc/self/fd/${fd}/${name}`;

function openat(fd: number, name: string, flags: number, mode: number): number {
  let opened = -1;
  const outcome = result(() => (opened = realm.process.files.open(at(fd, name), flags, mode)));
  return outcome < 0 ? outcome : opened;
}

const mkdirat = (fd: number, name: string, mode: number): number =>
  result(() => realm.process.files.makeDirectory(at(fd, name), mode));

const unlinkat = (fd: number, name: string, _flags: 0): number =>
  result(() => realm.process.files.unlink(at(fd, name)));

function renameat(fromFd: number, from: string, toFd: number, to: string): number {
  return result(() => realm.process.files.rename(at(fromFd, from), at(toFd, to)));
}

/** Only with RENAME_NOREPLACE. */
function renameat2(fromFd: number, from: string, toFd: number, to: string, _flags: 1): number {
  if (realm.process.files.stat(at(toFd, to), { follow: false, bigint: false }) !== undefined) {
    lastErrno = constants.errno.EEXIST;
    return -1;
  }
  return renameat(fromFd, from, toFd, to);
}

const SYNC_SLOWNESS = 8;

function syncfs(fd: number): number {
  return result(() => realm.process.files.syncFileSystem(fd));
}

async function syncfsLater(fd: number, done: (error: unknown, result: number) => void): Promise<void> {
  let outcome = 0;
  try {
    await realm.process.call(() => realm.process.files.syncFileSystem(fd), SYNC_SLOWNESS);
  } catch (error) {
    outcome = failed(error);
  }
  done(null, outcome);
}

syncfs.async = (fd: number, done: (error: unknown, result: number) => void): void =>
  void syncfsLater(fd, done);

/** Files of the simulation have neither holes nor extended attributes. */
const unsupported = (): number => {
  lastErrno = constants.errno.EOPNOTSUPP;
  return -1;
};

/** No user and no group has a name. */
const nobody = (): null => null;

/** No service manager listens in the simulation. */
const noSockets = (): number => {
  lastErrno = constants.errno.EAFNOSUPPORT;
  return -1;
};

const CALLS: Readonly<Record<string, unknown>> = {
  futimens,
  utimensat,
  syncfs,
  fallocate: unsupported,
  lseek: unsupported,
  flock,
  openat,
  mkdirat,
  unlinkat,
  renameat,
  renameat2,
  socket: noSockets,
  sendto: noSockets,
  ...Object.fromEntries(
    ['list', 'get', 'set', 'remove'].flatMap((verb) => [
      [`f${verb}xattr`, unsupported],
      [`l${verb}xattr`, unsupported],
    ]),
  ),
  ...Object.fromEntries(['getpwuid', 'getgrgid', 'getpwnam', 'getgrnam'].map((call) => [call, nobody])),
};

function func(declaration: string): Call {
  const name = /^\w+ \*?(\w+)\(/.exec(declaration)?.[1] ?? '';
  const call = CALLS[name];
  if (call === undefined) throw new Error(`the simulation has no ${declaration}`);
  return call as Call;
}

export default { load: () => ({ func }), struct: () => undefined, errno: () => lastErrno };
