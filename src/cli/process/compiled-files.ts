/** The files of compiled code. They are only a help: where they cannot be read or written, a run takes longer. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

/** A user's commands, by two versions of Node. */
const MAX_FILES = 24;
/** The names of such files, finished or not. */
const NAME = /^[a-z]{2,16}-v\d/;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * `directory` without symbolic links, made where it is missing; undefined where anybody else could put something into
 * it. Nothing is made below a directory of another user, as where `sudo` has kept the home of its caller.
 */
export function privateHome(directory: string): string | undefined {
  if (process.geteuid === undefined || !isAbsolute(directory)) return undefined;
  try {
    const above = dirname(directory);
    if (isExchangeable(existingPart(above))) return undefined;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const isPrivate = [above, directory].every((path) => isOwnDirectory(lstatSync(path)));
    const place = realpathSync(directory);
    return isPrivate && !isExchangeable(above) && !isExchangeable(dirname(place)) ? place : undefined;
  } catch {
    return undefined; // without a home the code is compiled at every start
  }
}

/** A path, or the nearest one above it that exists. */
function existingPart(path: string): string {
  return existsSync(path) || path === dirname(path) ? path : existingPart(dirname(path));
}

function isOwnDirectory(stats: Stats): boolean {
  return stats.isDirectory() && isOnlyOwn(stats);
}

function isOnlyOwn({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & OTHERS_WRITE) === 0;
}

/**
 * Whether another user could put something else in the place of what is in a directory: one who owns it, or a directory
 * or a link above it, or who may write there without the sticky bit.
 */
function isExchangeable(directory: string): boolean {
  const stats = lstatSync(directory);
  if (![0, process.geteuid?.()].includes(stats.uid)) return true;
  if (!stats.isSymbolicLink() && isWrittenByOthers(stats)) return true;
  return directory !== dirname(directory) && isExchangeable(dirname(directory));
}

function isWrittenByOthers({ mode, gid }: Stats): boolean {
  const isOfOwnGroup = (mode & 0o002) === 0 && [0, process.getegid?.()].includes(gid);
  return (mode & STICKY) === 0 && (mode & OTHERS_WRITE) !== 0 && !isOfOwnGroup;
}

/** The bytes of the file `name`; undefined where there is none that is this user's own. */
export function openKept(directory: string, name: string): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(join(directory, name), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(fd);
    return stats.isFile() && isOnlyOwn(stats) ? readFileSync(fd) : undefined;
  } catch {
    return undefined; // the first run has none
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Keeps `bytes` as the file `name`, which another process may read at the same time; the oldest files make room. */
export function keepFile(directory: string, name: string, bytes: Uint8Array): void {
  const unfinished = join(directory, `${name}.${process.pid}`);
  try {
    makeRoom(directory, name);
    writeFileSync(unfinished, bytes, { mode: 0o600, flag: 'wx' });
    renameSync(unfinished, join(directory, name));
  } catch {
    // A full disk, or another process that ended at the same moment: the next run tries it again.
    removeUnfinished(unfinished);
  }
}

function makeRoom(directory: string, name: string): void {
  const others = readdirSync(directory).filter((other) => other !== name && NAME.test(other));
  const byAge = others.map((other) => ({ other, atMs: lstatSync(join(directory, other)).mtimeMs }));
  byAge.sort((a, b) => b.atMs - a.atMs);
  for (const { other } of byAge.slice(MAX_FILES - 1)) unlinkSync(join(directory, other));
}

function removeUnfinished(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It is not there, or goes as an old one; the run has ended well, and its exit code has to say so.
  }
}
