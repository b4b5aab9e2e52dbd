/** Chooses what a scan of a local tree lists; paths are relative to the start of the scan. */
import { closeSync, constants, fstatSync, readSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError } from '../../../base/errors.ts';
import { kindOf } from '../../../base/file-stat.ts';
import type { Entry } from '../../../manifest/entry.ts';

/** The part of a found file that is looked at; a file of a type that no entry has counts as a file. */
export type FoundFile = Pick<Entry, 'path' | 'type' | 'sizeBytes' | 'mtimeNs'>;

/** A directory before its entries are visited. */
export interface OpenedDirectory {
  readonly path: string;
  readonly device: bigint;
  /** In canonical order. */
  readonly names: readonly string[];
  /** The first bytes of a file in it. Throws system errors, and CairnError where it is no plain file. */
  read(name: string, maxBytes: number): Uint8Array;
}

/** Chooses what a scan lists. */
export interface ScanFilter {
  /**
   * Asked of all that is found, directories before their entries; what is not selected is neither listed nor entered.
   * Undefined as long as everything is selected.
   */
  readonly selects: ((found: FoundFile) => boolean) | undefined;
  /** Which of the names in a directory are looked at. */
  namesIn(directory: OpenedDirectory): readonly string[];
}

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The first bytes of a plain file in a directory. @throws system errors, CairnError `storage-unsupported` */
export function readStart(directory: Directory, name: string, maxBytes: number): Uint8Array {
  const fd = directory.openFile(name, OPEN_FLAGS);
  try {
    if (kindOf(fstatSync(fd, { bigint: true })) !== 'file')
      throw new CairnError('storage-unsupported', 'it is no plain file');
    const bytes = Buffer.alloc(maxBytes);
    let length = 0;
    for (let read = -1; read !== 0 && length < maxBytes; length += read)
      read = readSync(fd, bytes, length, maxBytes - length, length);
    return bytes.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
