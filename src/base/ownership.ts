/**
 * Whose files and directories cairn trusts: those of this user and of root that no other user can write, as OpenSSH
 * does (`StrictModes`). cairn never takes a file that another user may have made for its own.
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

/** The part of Node's `Stats` or `BigIntStats` that these functions use. */
export interface Owned {
  readonly dev: number | bigint;
  readonly uid: number | bigint;
  readonly mode: number | bigint;
}

/** The behaviour of a file system that does not keep owners or modes. */
interface Customs {
  /** The owner that it shows for this user's files. */
  readonly uid: number;
  readonly keepsModes: boolean;
}

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const PRIVATE_MODE = 0o700;

/** The behaviour of file systems, by their device numbers: a fact of the machine, so the process never clears it. */
const learnt = new Map<string, Customs>();

/** The user that this process acts as; undefined on systems without user numbers. */
function currentUser(): number | undefined {
  return process.geteuid?.();
}

/** Whether a file or directory is this user's own. */
export function isOwn({ dev, uid }: Owned): boolean {
  const user = currentUser();
  const owner = Number(uid);
  return user === undefined || owner === user || owner === learnt.get(String(dev))?.uid;
}

/** Whether users other than the owner may write, on a file system that keeps modes. */
export function mayOthersWrite({ dev, mode }: Owned): boolean {
  if (currentUser() === undefined || (Number(mode) & OTHERS_WRITE) === 0) return false;
  return learnt.get(String(dev))?.keepsModes !== false;
}

/**
 * Why a file or directory may be the work of other users than this one and root, as the end of a sentence; undefined
 * where only these two can have made it.
 */
export function whyForeign(stat: Owned): string | undefined {
  if (!isOwn(stat) && Number(stat.uid) !== 0) {
    return `it belongs to another user (number ${Number(stat.uid)}; this is ${currentUser()})`;
  }
  return mayOthersWrite(stat) ? 'other users may write to it' : undefined;
}

/**
 * Refuses a file for which {@link whyForeign} has a reason.
 *
 * @param stat of an open file, so that no user can exchange the file between this check and its use
 * @throws CairnError `owner-untrusted`
 */
export function refuseForeign(stat: Owned, path: string): void {
  const why = whyForeign(stat);
  if (why !== undefined) throw foreignError(path, why, remedyFor(stat, path));
}

/** Refuses another user's file, whatever its mode: a file that is about to be published has its entry's mode. */
export function refuseStranger(stat: Owned, path: string): void {
  if (isOwn(stat) || Number(stat.uid) === 0) return;
  throw foreignError(path, whyForeign(stat)!, remedyFor(stat, path));
}

/**
 * Refuses a directory that other users could exchange for their own, because they may write in a directory above it
 * that has no sticky bit. A group counts as other users, unless it is root's or the one that this process acts with.
 *
 * @throws CairnError `owner-untrusted`, storage codes
 */
export function refuseExchangeable(path: string): void {
  try {
    for (let above = dirname(realpathSync(path)); ; above = dirname(above)) {
      if (isExchangeable(statSync(above))) {
        const why = `other users may write to "${printable(above)}" and exchange its content`;
        throw foreignError(path, why, `run: chmod go-w ${shellWord(above)}`);
      }
      if (above === dirname(above)) return;
    }
  } catch (error) {
    throw storageError(error, `looking at the directories above "${printable(path)}"`);
  }
}

function isExchangeable(stat: Owned & { readonly gid: number }): boolean {
  if ((Number(stat.mode) & STICKY) !== 0 || !mayOthersWrite(stat)) return false;
  const isOfGroup = (Number(stat.mode) & 0o002) === 0;
  return !isOfGroup || ![0, process.getegid?.()].includes(stat.gid);
}

/** The advice to the user: fewer rights on a file of this user, another owner for a file of another user. */
export function remedyFor(stat: Owned, path: string): string {
  if (isShared(stat)) return 'all users share it; name a directory of your own';
  const name = shellWord(path);
  if (isOwn(stat)) return `run: chmod go-w ${name}`;
  return `run cairn as that user, or check what it contains and make it yours: chown -R ${currentUser()} ${name}`;
}

/** Whether a directory is meant for many users, as `/tmp` is: cairn must not take it from the others. */
function isShared(stat: Owned): boolean {
  return (Number(stat.mode) & STICKY) !== 0 && mayOthersWrite(stat);
}

/** The error for a file that another user may have made. */
export function foreignError(path: string, why: string, remedy: string): CairnError {
  return new CairnError('owner-untrusted', `"${printable(path)}" is not used: ${why}; ${remedy}`, {
    details: { path: printable(path) },
  });
}

/**
 * Makes sure that an open directory is this user's own and closed to other users (0700); corrects the mode, unless the
 * directory is meant for many users. Where it shows another owner, a new file in it tells whether its file system does
 * that to every file.
 *
 * @returns why this failed; undefined where the directory is safe
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
    throw storageError(error, `looking at the owner of "${printable(displayPath)}"`);
  }
}

/**
 * Refuses a directory that {@link claimDirectory} cannot make safe.
 *
 * @throws CairnError `owner-untrusted`, storage codes
 */
export function refuseUnclaimed(directory: Directory): void {
  const why = claimDirectory(directory);
  if (why === undefined) return;
  const { displayPath } = directory;
  throw foreignError(displayPath, why, remedyFor(fstatSync(directory.fd), displayPath));
}

/** A file system that keeps no modes refuses this, or ignores it. */
function tighten(fd: number): void {
  try {
    fchmodSync(fd, PRIVATE_MODE);
  } catch {
    // The caller reads the mode afterwards.
  }
}

/** Makes a file, which surely belongs to this user, and notes which owner and mode its file system shows. */
function learn(directory: Directory): void {
  const path = directory.at(`.cairn-${randomBytes(9).toString('hex')}.tmp`);
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  let fd: number;
  try {
    fd = openSync(path, flags, 0o600);
  } catch {
    return; // this user cannot write here
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
