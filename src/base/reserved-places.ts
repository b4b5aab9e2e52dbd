/**
 * cairn's own directories, recognised by identity and not by name: on file systems that fold case
 * or know short names, and behind bind mounts, one directory has many paths.
 */
import { fstatSync } from 'node:fs';
import { CairnError } from './errors.ts';
import type { FileStat } from './file-stat.ts';
import { printable } from './safe-path.ts';

/** Distinguishes a directory or file from all others that exist. */
export type Inode = Pick<FileStat, 'dev' | 'ino'>;

/** The part of an open directory that this file uses. */
interface Held {
  readonly fd: number;
  reopen(): Held;
  close(): void;
}

/** Directories that no path may lead to. */
export interface Reserved {
  readonly isEmpty: boolean;
  has(inode: Inode): boolean;
  /** Reserves an open directory. */
  reserve(directory: Held): void;
  /** Ends the reservation of an open directory, which has been removed. */
  free(directory: Held): void;
}

/** The reserved directories of one store; close it. */
export interface ReservedPlaces extends Reserved {
  close(): void;
}

/** Makes an empty set. It holds reserved directories open, so that no other one gets their inode number meanwhile. */
export function createReservedPlaces(): ReservedPlaces {
  const held = new Map<string, Held>();
  const keyOf = ({ fd }: Held): string => nameOf(fstatSync(fd, { bigint: true }));
  return {
    get isEmpty() {
      return held.size === 0;
    },
    has: (inode) => held.has(nameOf(inode)),
    reserve: (directory) => {
      const key = keyOf(directory);
      if (!held.has(key)) held.set(key, directory.reopen());
    },
    free: (directory) => {
      const key = keyOf(directory);
      held.get(key)?.close();
      held.delete(key);
    },
    close: () => {
      for (const directory of held.values()) directory.close();
      held.clear();
    },
  };
}

function nameOf({ dev, ino }: Inode): string {
  return `${dev}:${ino}`;
}

/** The error for another path to a reserved directory. */
export function reservedError(path: string): CairnError {
  return new CairnError(
    'path-reserved',
    `"${printable(path)}" is another name for a directory of cairn itself`,
  );
}
