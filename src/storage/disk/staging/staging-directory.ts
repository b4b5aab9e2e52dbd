/** The folder of one staging area: `<root>/.cairn/staging/<id>/`, open only to the user of the process. */
import { readdirSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { refuseUnclaimed } from '../../../base/ownership.ts';
import { printable } from '../../../base/safe-path.ts';
import type { FileTimes } from '../tree/file-times.ts';
import {
  keepingTimes,
  makeHome,
  openIfThere,
  ownHomes,
  removeHome,
  removeIfEmpty,
  type StagingHome,
} from './staging-home.ts';

const STAGING = 'staging';
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const PRIVATE_MODE = 0o700;
/** Tries, when another process removes the empty folders on the way. */
const ATTEMPTS = 5;

/** Checks the id of a staging area, which becomes a file name. @throws CairnError `invalid-request` */
export function checkStagingId(id: string): string {
  if (ID.test(id)) return id;
  throw new CairnError('invalid-request', `"${printable(id.slice(0, 80))}" is no id of a session`);
}

/**
 * Opens the folder of a staging area; makes it durably if it is missing. Close it.
 *
 * @throws CairnError `owner-untrusted`, `symlink-refused`, `not-directory`, storage codes
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

/** Opens the folder of a staging area; undefined where it is missing. Close it. @throws CairnError, storage codes */
export function findStagingDirectory(root: Directory, id: string): Directory | undefined {
  for (const { directory } of ownHomes(root)) {
    try {
      const found = openArea(directory, id);
      if (found !== undefined) return found;
    } finally {
      directory.close();
    }
  }
  return undefined;
}

function openArea(home: Directory, id: string): Directory | undefined {
  const staging = openIfThere(home, STAGING);
  try {
    return staging && openIfThere(staging, id);
  } finally {
    staging?.close();
  }
}

/** Roots below which every existing name on the way to a staging area is durable. */
const settledRoots = new WeakSet<Directory>();

function descend(root: Directory, id: string, times: FileTimes): Directory {
  // A killed run may have made folders without syncing their names; a power cut would lose all that is in them.
  const isSettled = settledRoots.has(root);
  let directory = homeFor(root, id, { times, isSettled }).directory;
  for (const name of [STAGING, id]) {
    const parent = directory;
    try {
      root.reserved?.reserve(parent);
      directory = openOrMake(parent, name, isSettled);
    } finally {
      parent.close();
    }
  }
  settledRoots.add(root);
  return directory;
}

/** The home that has the staging area, else the first home, else a new one. */
function homeFor(
  root: Directory,
  id: string,
  { times, isSettled }: { readonly times: FileTimes; readonly isSettled: boolean },
): StagingHome {
  const found = findHome(root, id);
  if (found !== undefined && isSettled) return found;
  let made: StagingHome | undefined;
  try {
    const home = found ?? keepingTimes(root, times, () => (made = makeHome(root)));
    root.sync();
    return home;
  } catch (error) {
    (found ?? made)?.directory.close();
    // Otherwise the next run would find it and take it for durable.
    if (made !== undefined) removeIfEmpty(root, made.name);
    throw error;
  }
}

function findHome(root: Directory, id: string): StagingHome | undefined {
  const homes: StagingHome[] = [];
  let chosen: StagingHome | undefined;
  try {
    for (const home of ownHomes(root)) {
      homes.push(home);
      const area = openArea(home.directory, id);
      area?.close();
      if (area === undefined) continue;
      chosen = home;
      break;
    }
    chosen ??= homes[0];
  } finally {
    for (const home of homes) if (home !== chosen) home.directory.close();
  }
  return chosen;
}

function openOrMake(parent: Directory, name: string, isSettled: boolean): Directory {
  const found = openIfThere(parent, name);
  const child = found ?? parent.makeChild(name, PRIVATE_MODE, { isReserved: true });
  try {
    refuseUnclaimed(child);
    if (found === undefined || !isSettled) parent.sync();
  } catch (error) {
    child.close();
    // Otherwise the next run would find it and take it for durable.
    if (found === undefined) removeIfEmpty(parent, name);
    throw error;
  }
  return child;
}

/** Ids of all staging areas below `root`. @throws CairnError, storage codes */
export function listStagingIds(root: Directory): string[] {
  const ids = new Set<string>();
  try {
    for (const { directory } of ownHomes(root)) {
      try {
        for (const name of namesIn(directory)) if (ID.test(name)) ids.add(name);
      } finally {
        directory.close();
      }
    }
  } catch (error) {
    throw storageError(error, 'listing the staging areas');
  }
  return [...ids];
}

function namesIn(home: Directory): string[] {
  const staging = openIfThere(home, STAGING);
  try {
    return staging === undefined ? [] : readdirSync(staging.here());
  } finally {
    staging?.close();
  }
}

/**
 * Removes a staging area, and the folders above it that are then empty, so that cairn leaves nothing behind.
 *
 * @throws CairnError with a storage code
 */
export async function removeStaging(root: Directory, id: string, times: FileTimes): Promise<void> {
  root.checkInPlace();
  for (const { name, directory } of ownHomes(root)) {
    try {
      if ((await removeArea(directory, id)) && removeHome(root, name, times)) root.reserved?.free(directory);
    } finally {
      directory.close();
    }
  }
}

/** Removes an area; true where no area is left. */
async function removeArea(home: Directory, id: string): Promise<boolean> {
  const staging = openIfThere(home, STAGING);
  if (staging === undefined) return true;
  try {
    await removeTree(staging.at(id));
    if (!removeIfEmpty(home, STAGING)) return false;
    home.reserved?.free(staging);
    return true;
  } finally {
    staging.close();
  }
}
