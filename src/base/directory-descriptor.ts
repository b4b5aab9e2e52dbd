/** Descriptors of directories. */
import { closeSync, constants, existsSync, lstatSync, openSync } from 'node:fs';
import { CairnError, storageError, systemCodeOf } from './errors.ts';
import { printable } from './safe-path.ts';

/** Whether `/proc/self/fd/N/name` leads to the child of an open directory. */
export const HAS_DESCRIPTOR_PATHS = process.platform === 'linux' && existsSync('/proc/self/fd');
/** For a directory that is to be read, and no symbolic link to one. */
export const DIRECTORY_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

function isSymbolicLink(path: string | Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

/** The error of opening a directory, in words. */
export function openError(error: unknown, path: string | Buffer, displayPath: string): CairnError {
  const shown = printable(displayPath);
  const system = systemCodeOf(error);
  if (system === 'ENOENT') {
    return new CairnError('not-found', `the directory "${shown}" does not exist`, { cause: error });
  }
  if (system !== 'ENOTDIR' && system !== 'ELOOP')
    return storageError(error, `opening the directory "${shown}"`);
  // Linux answers ENOTDIR for a symbolic link when O_DIRECTORY and O_NOFOLLOW come together.
  if (isSymbolicLink(path)) {
    return new CairnError('symlink-refused', `"${shown}" is a symbolic link and is not followed`, {
      cause: error,
    });
  }
  return new CairnError('not-directory', `"${shown}" is not a directory`, { cause: error });
}

/** With O_PATH, which Node does not name: for a directory that this user may search but not read, a base for paths. */
const SEARCH_FLAGS = 0o10000000 | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/** A descriptor, and whether it can also be read; otherwise it serves only as a base for paths. */
export type Opened = { readonly fd: number; readonly isReadable: boolean };

/**
 * Opens a directory, without following a symbolic link.
 *
 * @throws CairnError `not-found`, `not-directory`, `symlink-refused`, storage codes
 */
export function openDescriptor(path: string | Buffer, displayPath: string): Opened {
  try {
    return { fd: openSync(path, DIRECTORY_FLAGS), isReadable: true };
  } catch (error) {
    const denied = systemCodeOf(error) === 'EACCES' && HAS_DESCRIPTOR_PATHS;
    const fd = denied ? openToSearch(path) : undefined;
    if (fd === undefined) throw openError(error, path, displayPath);
    return { fd, isReadable: false };
  }
}

/** Undefined where this user may not even search the directory; the caller then reports why it could not be read. */
function openToSearch(path: string | Buffer): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, SEARCH_FLAGS);
    lstatSync(`/proc/self/fd/${fd}/.`);
    return fd;
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}
