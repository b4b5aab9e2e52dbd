/** In place of `node:fs`. */
import { constants } from 'node:fs';
import { errnoOf, systemError } from '../disk/system-error.ts';
import type { SimulatedStats } from '../disk/stats.ts';
import { realm } from './simulation.ts';

export { constants };

interface StatOptions {
  readonly bigint?: boolean;
  readonly throwIfNoEntry?: boolean;
}

type Done<T> = (error: Error | null, value?: T) => void;

const files = () => realm.process.files;

async function later<T>(work: () => T, done: Done<T>): Promise<void> {
  let value: T;
  try {
    value = await realm.process.call(work);
  } catch (error) {
    done(error as Error);
    return;
  }
  done(null, value);
}

export const openSync = (path: string, flags?: number | string, mode?: number): number =>
  files().open(path, flags, mode);
export const closeSync = (fd: number): void => files().close(fd);
export const close = (fd: number, done: Done<void>): void => void later(() => closeSync(fd), done);

export function readSync(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  return files().read(fd, buffer.subarray(offset, offset + length), position);
}

export function read(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: Done<number>,
): void {
  void later(() => readSync(fd, buffer, offset, length, position), done);
}

export function writeSync(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
): number {
  return files().write(fd, buffer.subarray(offset, offset + length), position);
}

export function write(
  fd: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
  position: number,
  done: Done<number>,
): void {
  void later(() => writeSync(fd, buffer, offset, length, position), done);
}

export const fsyncSync = (fd: number): void => files().sync(fd, 'all');
export const fsync = (fd: number, done: Done<void>): void => void later(() => fsyncSync(fd), done);
export const ftruncateSync = (fd: number, size = 0): void => files().truncate(fd, size);

export const fstatSync = (fd: number, options: StatOptions = {}): SimulatedStats =>
  files().statOpen(fd, { bigint: options.bigint === true });

function found(path: string, follow: boolean, options: StatOptions): SimulatedStats | undefined {
  try {
    const stats = files().stat(path, { follow, bigint: options.bigint === true });
    if (stats !== undefined) return stats;
  } catch (error) {
    if (options.throwIfNoEntry !== false || errnoOf(error) !== 2) throw error;
  }
  if (options.throwIfNoEntry === false) return undefined;
  throw systemError('ENOENT', 'lstat', path);
}

export const lstatSync = (path: string, options: StatOptions = {}): SimulatedStats | undefined =>
  found(path, false, options);
export const statSync = (path: string, options: StatOptions = {}): SimulatedStats | undefined =>
  found(path, true, options);

/** Only asked for the descriptors of this process, when the code is loaded: before there is a process. */
export const existsSync = (path: string): boolean => path === '/proc/self/fd';
export const realpathSync = (path: string): string => files().realPath(path);

export function mkdirSync(path: string, options: { readonly mode?: number } = {}): void {
  files().makeDirectory(path, options.mode);
}

export function readdirSync(path: string, options: { readonly encoding?: string } = {}): (string | Buffer)[] {
  const names = files().names(path);
  return options.encoding === 'buffer' ? names.map((name) => Buffer.from(name)) : names;
}

export const renameSync = (from: string, to: string): void => files().rename(from, to);
export const unlinkSync = (path: string): void => files().unlink(path);
export const rmdirSync = (path: string): void => files().removeDirectory(path);
export const linkSync = (from: string, to: string): void => files().link(from, to);

/** Only names that are no UTF-8 are removed so, and the disk of the world has none: nothing is there to be removed. */
export function rmSync(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new Error(`the simulation does not know how to remove "${path}" so`);
}

/** Only asked for clones, which this file system has not got. */
export function copyFileSync(_from: string, to: string): void {
  throw systemError('ENOTSUP', 'copyfile', to);
}

export const symlinkSync = (target: string, path: string): void => files().makeLink(target, path);

export function readlinkSync(path: string, encoding?: string): string | Buffer {
  const target = files().linkTarget(path);
  return encoding === 'buffer' ? Buffer.from(target) : target;
}

export const chmodSync = (path: string, mode: number): void => files().setMode(path, mode);
export const fchmodSync = (fd: number, mode: number): void => files().setMode(fd, mode);

/** No transfer of the simulation keeps owners. */
const refuseOwner = (): never => {
  throw new Error('the simulated file system has no owners');
};
export const chownSync = refuseOwner;
export const fchownSync = refuseOwner;
export const lchownSync = refuseOwner;

const nanoseconds = (seconds: number | string): bigint => BigInt(Math.floor(Number(seconds) * 1e6)) * 1000n;

export const futimesSync = (fd: number, _atime: number, mtime: number | string): void =>
  files().setModified(fd, nanoseconds(mtime));
export const lutimesSync = (path: string, _atime: number, mtime: number | string): void =>
  files().setModified(path, nanoseconds(mtime));

const textOr = (bytes: Buffer, encoding: string | undefined): string | Buffer =>
  encoding === 'utf8' ? bytes.toString() : bytes;

/** Reads what the kernel tells of processes, and files. */
export function readFileSync(path: string | number, encoding?: string): string | Buffer {
  if (typeof path === 'number') return textOr(files().readWhole(path), encoding);
  const told = realm.process.proc(path);
  if (told !== undefined) return told;
  if (path.startsWith('/proc/')) throw systemError('ENOENT', 'open', path);
  const fd = files().open(path);
  try {
    return textOr(files().readWhole(fd), encoding);
  } finally {
    files().close(fd);
  }
}

/** A disk without an end. */
export const statfsSync = (): { bsize: number; bavail: number; blocks: number } => ({
  bsize: 4096,
  bavail: 2 ** 32,
  blocks: 2 ** 32,
});
