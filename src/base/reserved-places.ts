/**
 * Directories that are cairn's own, known by what they are and not by how they are spelled: on file systems that fold case
 * or know short names, and behind bind mounts, one directory has many paths.
 */
import { fstatSync } from 'node:fs';
import { CairnError } from './errors.ts';
import type { FileStat } from './file-stat.ts';
import { printable } from './safe-path.ts';

/** What tells a directory or file from every other that is there. */
export type Inode = Pick<FileStat, 'dev' | 'ino'>;

/** An open directory, as far as it is needed here. */
interface Held {
  readonly fd: number;
  reopen(): Held;
  close(): void;
}

/** Directories that no path may lead to. */
export interface Reserved {
  readonly isEmpty: boolean;
  has(inode: Inode): boolean;
  /** Reserves what an open directory is. */
  reserve(directory: Held): void;
  /** Lets go of what an open directory is, which has been removed. */
  free(directory: Held): void;
}

/** Such directories of one store; close it. */
export interface ReservedPlaces extends Reserved {
  close(): void;
}

/** Reserves nothing at first. What is reserved is held open: its number belongs to nothing else meanwhile. */
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

/** The error for another path to what is reserved. */
export function reservedError(path: string): CairnError {
  return new CairnError('path-reserved', `"${printable(path)}" is cairn's own, under another name`);
}
