/** The folder of one staging area: `<root>/.cairn/staging/<id>/`, for the owner of the process only. */
import { fchmodSync, fstatSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Directory } from '../../base/directory.ts';
import { removeTree } from '../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { printable, RESERVED_NAME } from '../../base/safe-path.ts';
import type { FileTimes } from './file-times.ts';

const STAGING = 'staging';
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const PRIVATE_MODE = 0o700;
/** Times to begin again when another process removes the empty folders on the way. */
const ATTEMPTS = 5;

/** Checks the id of a staging area, which becomes a file name. @throws CairnError `invalid-request` */
export function checkStagingId(id: string): string {
  if (ID.test(id)) return id;
  throw new CairnError('invalid-request', `"${printable(id.slice(0, 80))}" is no id of a session`);
}

/** The path of a staging area, for messages and for files in it. */
export function stagingPath(root: Directory, id: string): string {
  return join(root.displayPath, RESERVED_NAME, STAGING, id);
}

/**
 * Opens the folder of a staging area, made durably where it is missing. Close it.
 *
 * @throws CairnError `symlink-refused`, `not-directory`, storage codes
 */
export function openStagingDirectory(root: Directory, id: string, times: FileTimes): Directory {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return descend(root, id, times);
    } catch (error) {
      const isGone = error instanceof CairnError && systemCodeOf(error.cause) === 'ENOENT';
      if (!isGone || attempt === ATTEMPTS) throw error;
    }
  }
}

/** Roots below which every name on the way to a staging area is durable, as far as it was there. */
const settledRoots = new WeakSet<Directory>();

function descend(root: Directory, id: string, times: FileTimes): Directory {
  // A run that was killed may have made folders and not lived to sync their names: all that is in them would be lost.
  const isSettled = settledRoots.has(root);
  let directory = keepingTimes(root, times, () => openOrMake(root, RESERVED_NAME, isSettled));
  for (const name of [STAGING, id]) {
    const parent = directory;
    try {
      directory = openOrMake(parent, name, isSettled);
    } finally {
      parent.close();
    }
  }
  settledRoots.add(root);
  return directory;
}

function openOrMake(parent: Directory, name: string, isSettled: boolean): Directory {
  const found = openIfThere(parent, name);
  if (found !== undefined && isSettled) return found;
  const child = found ?? parent.makeChild(name, PRIVATE_MODE);
  try {
    parent.sync();
  } catch (error) {
    child.close();
    // Else the next one finds it there, and takes it for durable.
    if (found === undefined) removeIfEmpty(parent.at(name));
    throw error;
  }
  return child;
}

function openIfThere(parent: Directory, name: string): Directory | undefined {
  try {
    return parent.openChild(name);
  } catch (error) {
    if (error instanceof CairnError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** Ids of all staging areas below `root`. @throws CairnError, storage codes */
export function listStagingIds(root: Directory): string[] {
  try {
    return readdirSync(stagingPath(root, '')).filter((name) => ID.test(name));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, 'listing the staging areas');
  }
}

/**
 * Removes a staging area, and the folders above it that are then empty, so that nothing of cairn is left behind.
 *
 * @throws CairnError with a storage code
 */
export async function removeStaging(root: Directory, id: string, times: FileTimes): Promise<void> {
  root.checkInPlace();
  await removeTree(stagingPath(root, id));
  const removed = removeIfEmpty(join(root.displayPath, RESERVED_NAME, STAGING));
  if (removed) keepingTimes(root, times, () => removeState(root));
}

function removeState(root: Directory): void {
  const path = root.at(RESERVED_NAME);
  const { mode } = fstatSync(root.fd);
  if (process.geteuid?.() === 0 || (mode & 0o200) !== 0) {
    removeIfEmpty(path);
    return;
  }
  // What was published may have made the root read-only; its owner may still tidy up.
  fchmodSync(root.fd, (mode & 0o7777) | 0o200);
  try {
    removeIfEmpty(path);
  } finally {
    fchmodSync(root.fd, mode & 0o7777);
  }
}

function removeIfEmpty(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(system)) return system === 'ENOENT';
    throw storageError(error, `removing "${printable(path)}"`);
  }
}

/** The root belongs to the user: that cairn's own folder comes and goes must not show in its modification time. */
function keepingTimes<T>(root: Directory, times: FileTimes, action: () => T): T {
  const before = fstatSync(root.fd, { bigint: true });
  const result = action();
  const after = fstatSync(root.fd, { bigint: true });
  const mayNot = process.geteuid !== undefined && ![0n, after.uid].includes(BigInt(process.geteuid()));
  if (before.mtimeNs !== after.mtimeNs && !mayNot) times.set(root.fd, before.mtimeNs);
  return result;
}
