/**
 * Whose files and directories are trusted: those of this user and of root that nobody else can write, as OpenSSH has it
 * (`StrictModes`). What a stranger may have put there is never taken for our own.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  openSync,
  realpathSync,
  statSync,
  unlinkSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { Directory } from './directory.ts';
import { CairnError, storageError } from './errors.ts';
import { printable } from './safe-path.ts';
import { shellWord } from './shell.ts';

/** What is looked at of a file: a part of Node's `Stats` or `BigIntStats`. */
export interface Owned {
  readonly dev: number | bigint;
  readonly uid: number | bigint;
  readonly mode: number | bigint;
}

/** What a file system makes of owners and modes, where it keeps them for nobody. */
interface Customs {
  /** The owner that it shows of what this user has made. */
  readonly uid: number;
  readonly keepsModes: boolean;
}

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const PRIVATE_MODE = 0o700;

/** What was learnt of file systems, by their device numbers: a fact of the machine, which no process has to give back. */
const learnt = new Map<string, Customs>();

/** The user that this process acts as; undefined where the system knows none. */
function currentUser(): number | undefined {
  return process.geteuid?.();
}

/** Whether a file or directory is this user's own. */
export function isOwn({ dev, uid }: Owned): boolean {
  const user = currentUser();
  const owner = Number(uid);
  return user === undefined || owner === user || owner === learnt.get(String(dev))?.uid;
}

/** Whether users other than the owner may write, and the file system can keep them from it. */
export function mayOthersWrite({ dev, mode }: Owned): boolean {
  if (currentUser() === undefined || (Number(mode) & OTHERS_WRITE) === 0) return false;
  return learnt.get(String(dev))?.keepsModes !== false;
}

/**
 * Why a file or directory may be the work of other users than this one and root, as the end of a sentence; undefined
 * where it is not.
 */
export function whyForeign(stat: Owned): string | undefined {
  if (!isOwn(stat) && Number(stat.uid) !== 0) {
    return `it belongs to another user (number ${Number(stat.uid)}; this is ${currentUser()})`;
  }
  return mayOthersWrite(stat) ? 'other users may write to it' : undefined;
}

/**
 * Refuses what {@link whyForeign} finds.
 *
 * @param stat of what is open, so that nobody can exchange it between this look and its use
 * @throws CairnError `owner-untrusted`
 */
export function refuseForeign(stat: Owned, path: string): void {
  const why = whyForeign(stat);
  if (why !== undefined) throw foreignError(path, why, remedyFor(stat, path));
}

/** Refuses what another user has made, whatever its mode: one that is about to be published has that of its entry. */
export function refuseStranger(stat: Owned, path: string): void {
  if (isOwn(stat) || Number(stat.uid) === 0) return;
  throw foreignError(path, whyForeign(stat)!, remedyFor(stat, path));
}

/**
 * Refuses a directory that others could exchange for one of their own: they may write in one above it that has no sticky
 * bit. A group counts as others, unless it is root's or the one that this process acts with.
 *
 * @throws CairnError `owner-untrusted`, storage codes
 */
export function refuseExchangeable(path: string): void {
  try {
    for (let above = dirname(realpathSync(path)); ; above = dirname(above)) {
      if (isExchangeable(statSync(above))) {
        const why = `other users may write to "${printable(above)}", and exchange what is in it`;
        throw foreignError(path, why, `run: chmod go-w ${shellWord(above)}`);
      }
      if (above === dirname(above)) return;
    }
  } catch (error) {
    throw storageError(error, `looking at what is above "${printable(path)}"`);
  }
}

function isExchangeable(stat: Owned & { readonly gid: number }): boolean {
  if ((Number(stat.mode) & STICKY) !== 0 || !mayOthersWrite(stat)) return false;
  const isOfGroup = (Number(stat.mode) & 0o002) === 0;
  return !isOfGroup || ![0, process.getegid?.()].includes(stat.gid);
}

/** What to do about it: for a file of this user less permission; for one of another user, another owner. */
export function remedyFor(stat: Owned, path: string): string {
  if (isShared(stat)) return 'all users share it; name a directory of your own';
  const name = shellWord(path);
  if (isOwn(stat)) return `run: chmod go-w ${name}`;
  return `run cairn as that user, or make it yours once you know what it holds: chown -R ${currentUser()} ${name}`;
}

/** Whether a directory is meant for many users, as `/tmp` is: to take it from the others would break their work. */
function isShared(stat: Owned): boolean {
  return (Number(stat.mode) & STICKY) !== 0 && mayOthersWrite(stat);
}

/** The error for what a stranger may have made. */
export function foreignError(path: string, why: string, remedy: string): CairnError {
  return new CairnError('owner-untrusted', `"${printable(path)}" is not used: ${why}; ${remedy}`, {
    details: { path: printable(path) },
  });
}

/**
 * Makes sure that an open directory is this user's own and for no other user (0700), and makes it so where only its mode is
 * in the way, and where it is not meant for many users. Where it shows another owner a new file in it tells whether its file system does that to everything.
 *
 * @returns why it is not; undefined where it is
 * @throws CairnError, storage codes
 */
export function claimDirectory(directory: Directory): string | undefined {
  const { fd, displayPath } = directory;
  try {
    let stat = fstatSync(fd);
    if (!isOwn(stat)) learn(directory);
    if (isOwn(stat) && !isShared(stat) && (stat.mode & 0o077) !== 0) {
      tighten(fd);
      stat = fstatSync(fd);
      if (mayOthersWrite(stat)) learn(directory);
    }
    if (isOwn(stat)) return mayOthersWrite(stat) ? 'other users may write to it' : undefined;
    return whyForeign(stat) ?? 'it belongs to root';
  } catch (error) {
    throw storageError(error, `looking whose "${printable(displayPath)}" is`);
  }
}

/**
 * {@link claimDirectory}, or else refuses to use it.
 *
 * @throws CairnError `owner-untrusted`, storage codes
 */
export function refuseUnclaimed(directory: Directory): void {
  const why = claimDirectory(directory);
  if (why === undefined) return;
  const { displayPath } = directory;
  throw foreignError(displayPath, why, remedyFor(fstatSync(directory.fd), displayPath));
}

/** On file systems that keep no modes this is refused, or does nothing. */
function tighten(fd: number): void {
  try {
    fchmodSync(fd, PRIVATE_MODE);
  } catch {
    // What the mode is then, and what it means, is looked at next.
  }
}

/** Makes a file, which is surely this user's, and looks what its file system says of it. */
function learn(directory: Directory): void {
  const path = directory.at(`.cairn-${randomBytes(9).toString('hex')}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch {
    return; // no place for this user's own things
  }
  try {
    const { dev, uid, mode } = fstatSync(fd);
    const keepsModes = (mode & OTHERS_WRITE) === 0;
    if (uid !== currentUser() || !keepsModes) learnt.set(String(dev), { uid, keepsModes });
  } finally {
    closeSync(fd);
    unlinkSync(path);
  }
}
