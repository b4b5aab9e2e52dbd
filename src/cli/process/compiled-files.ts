/** The files of compiled code. They are only a help: where they cannot be read or written, a run takes longer. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/** A user's commands, by two versions of Node. */
const MAX_FILES = 24;
const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/** `directory`, made where it is missing; undefined where anybody else could put something into it. */
export function privateHome(directory: string): string | undefined {
  if (process.geteuid === undefined) return undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const above = dirname(directory);
    const isPrivate = [above, directory].every((path) => isOwnDirectory(lstatSync(path)));
    return isPrivate && !isExchangeable(above) ? directory : undefined;
  } catch {
    return undefined; // without a home the code is compiled at every start
  }
}

function isOwnDirectory(stats: Stats): boolean {
  return stats.isDirectory() && isOnlyOwn(stats);
}

function isOnlyOwn({ uid, mode }: Stats): boolean {
  return uid === process.geteuid?.() && (mode & OTHERS_WRITE) === 0;
}

/**
 * Whether others may write above a directory, without the sticky bit: they could put one of their own in its place.
 */
function isExchangeable(directory: string): boolean {
  const above = dirname(realpathSync(directory));
  const { mode, gid } = lstatSync(above);
  const isOfOwnGroup = (mode & 0o002) === 0 && [0, process.getegid?.()].includes(gid);
  if ((mode & STICKY) === 0 && (mode & OTHERS_WRITE) !== 0 && !isOfOwnGroup) return true;
  return above !== dirname(above) && isExchangeable(above);
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
    const others = readdirSync(directory).filter((other) => other !== name);
    const byAge = others.map((other) => ({ other, atMs: lstatSync(join(directory, other)).mtimeMs }));
    byAge.sort((a, b) => b.atMs - a.atMs);
    for (const { other } of byAge.slice(MAX_FILES - 1)) unlinkSync(join(directory, other));
    writeFileSync(unfinished, bytes, { mode: 0o600, flag: 'wx' });
    renameSync(unfinished, join(directory, name));
  } catch {
    // A full disk, or another process that ended at the same moment: the next run tries it again.
    rmSync(unfinished, { force: true });
  }
}
