/**
 * cairn's own directories in a root: `.cairn`, or `.cairn-UID` where another user has taken that name. They
 * belong to this user only; cairn leaves alone what another user has put under these names.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, fstatSync, lstatSync, readdirSync, rmdirSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { claimDirectory, foreignError, isOwn } from '../../../base/ownership.ts';
import { isReservedName, printable, RESERVED_NAME } from '../../../base/safe-path.ts';
import type { FileTimes } from '../tree/file-times.ts';

const PRIVATE_MODE = 0o700;
/** Names to try while another user takes each one first. */
const ATTEMPTS = 5;

/** A directory of this user's own. Close it. */
export interface StagingHome {
  readonly name: string;
  readonly directory: Directory;
}

/** The existing homes, `.cairn` first. @throws CairnError, storage codes */
export function* ownHomes(root: Directory): Generator<StagingHome> {
  for (const name of usualNames()) {
    const directory = openOwn(root, name);
    if (directory !== undefined) yield { name, directory };
    else if (name !== RESERVED_NAME && isTaken(root, name)) yield* oddHomes(root);
  }
}

/**
 * Makes a home, not durably.
 *
 * @throws CairnError `owner-untrusted` where other users take each name first; storage codes
 */
export function makeHome(root: Directory): StagingHome {
  const names = usualNames();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const name = names[attempt] ?? `${names.at(-1)!}-${randomBytes(4).toString('hex')}`;
    if (isTaken(root, name)) continue;
    root.makeChild(name, PRIVATE_MODE, { isReserved: true }).close();
    const directory = openOwn(root, name);
    if (directory !== undefined) return { name, directory };
  }
  const why = 'other users take every name in it that cairn needs for itself';
  throw foreignError(root.displayPath, why, 'choose a directory where only you can write');
}

/** Removes a home if it is empty; true where it is gone. @throws CairnError with a storage code */
export function removeHome(root: Directory, name: string, times: FileTimes): boolean {
  return keepingTimes(root, times, () => {
    const { mode } = fstatSync(root.fd);
    if (process.geteuid?.() === 0 || (mode & 0o200) !== 0 || !isOwn(fstatSync(root.fd)))
      return removeIfEmpty(root, name);
    // Publishing may have made the root read-only; its owner may still tidy up.
    chmodSync(root.here(), (mode & 0o7777) | 0o200);
    try {
      return removeIfEmpty(root, name);
    } finally {
      chmodSync(root.here(), mode & 0o7777);
    }
  });
}

/** Removes a directory if it is empty; true where it is gone. @throws CairnError with a storage code */
export function removeIfEmpty(parent: Directory, name: string): boolean {
  try {
    rmdirSync(parent.at(name));
    return true;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(system)) return system === 'ENOENT';
    throw storageError(error, `removing "${printable(parent.show(name))}"`);
  }
}

/** Keeps the modification time of the root, which belongs to the user, while cairn's own folder comes or goes. */
export function keepingTimes<T>(root: Directory, times: FileTimes, action: () => T): T {
  const before = fstatSync(root.fd, { bigint: true });
  const result = action();
  const after = fstatSync(root.fd, { bigint: true });
  const mayNot = process.geteuid !== undefined && ![0n, after.uid].includes(BigInt(process.geteuid()));
  // By path, since it may be open for searching only.
  if (before.mtimeNs !== after.mtimeNs && !mayNot) times.setLink(`${root.here()}/.`, before.mtimeNs);
  return result;
}

/** Opens a child directory; undefined where there is none. @throws CairnError like {@link Directory.openChild} */
export function openIfThere(parent: Directory, name: string): Directory | undefined {
  try {
    return parent.openChild(name, { isReserved: true });
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return undefined;
    throw error;
  }
}

function usualNames(): string[] {
  const user = process.geteuid?.();
  return user === undefined ? [RESERVED_NAME] : [RESERVED_NAME, `${RESERVED_NAME}-${user}`];
}

/** The homes with a random name, which no other user could take first. */
function* oddHomes(root: Directory): Generator<StagingHome> {
  const start = `${usualNames().at(-1)!}-`;
  for (const name of readdirSync(root.here())) {
    if (!name.startsWith(start) || !isReservedName(name)) continue;
    const directory = openOwn(root, name);
    if (directory !== undefined) yield { name, directory };
  }
}

/** Opens a home of this user's; undefined where there is none, or where another user has taken the name. */
function openOwn(root: Directory, name: string): Directory | undefined {
  let directory: Directory | undefined;
  try {
    directory = openIfThere(root, name);
  } catch (error) {
    if (isForeign(root, name)) return undefined;
    throw error;
  }
  if (directory === undefined) return undefined;
  let isOurs = false;
  try {
    isOurs = claimDirectory(directory) === undefined;
  } finally {
    if (!isOurs) directory.close();
  }
  return isOurs ? directory : undefined;
}

/** Whether another user made the file that cannot be opened as a directory: a link, a file, or a directory. */
function isForeign(root: Directory, name: string): boolean {
  const stat = lstatSync(root.at(name), { throwIfNoEntry: false });
  return stat !== undefined && !isOwn(stat);
}

function isTaken(root: Directory, name: string): boolean {
  return lstatSync(root.at(name), { throwIfNoEntry: false }) !== undefined;
}
