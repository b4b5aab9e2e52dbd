/** A target on another file system than the staging folder, where no rename can reach. */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  ftruncateSync,
  openSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { writeFullySync } from '../../../base/durable-files.ts';
import { writeSparselySync } from '../../../base/zero-runs.ts';
import { systemCodeOf } from '../../../base/errors.ts';
import type { Prepared } from './prepare-entry.ts';
import { noteDevice, type Publication } from './publication.ts';
import { readPieces } from '../tree/read-pieces.ts';
import { isAdding, putInto, wasAdded } from './put-into.ts';
import type { FinalPlace } from './final-place.ts';

const GUARDS = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const fsyncLater = promisify(fsync);

/**
 * Copies a prepared file beside its final path, makes the copy durable and renames it. The copy always has the same
 * name, so that the next run removes the copy of an interrupted one.
 *
 * @throws system errors; CairnError with a storage code
 */
export async function moveAcross(
  publication: Publication,
  prepared: Prepared,
  to: FinalPlace,
): Promise<void> {
  const { directory } = to;
  noteDevice(publication, directory, fstatSync(directory.fd, { bigint: true }).dev);
  const staged = publication.folder.at(prepared.stagedName);
  const copyName = `.cairn-${publication.id}-${prepared.entryIndex}.tmp`;
  const copy = directory.at(copyName);
  const isThere = isAdding(publication) && wasAdded({ directory, name: copyName });
  removeLeftover(copy);
  if (isThere) return;
  try {
    if (prepared.entry.type === 'symlink') {
      symlinkSync(readlinkSync(staged), copy);
      publication.metadata?.set(prepared.entryIndex, prepared.entry, copy);
      publication.times.setLink(copy, prepared.entry.mtimeNs);
    } else {
      await copyFile(publication, prepared, staged, copy);
    }
    await putInto(publication, prepared, { directory, name: copyName }, to);
    if (isAdding(publication)) removeLeftover(copy);
  } catch (error) {
    removeLeftover(copy);
    throw error;
  }
  // The sync of the store's own file system does not cover this one.
  directory.sync();
  unlinkSync(staged);
}

async function copyFile(
  publication: Publication,
  { entryIndex, entry }: Prepared,
  staged: string,
  copy: string,
): Promise<void> {
  // It has its final mode, which may lock out its owner; the copy gets that mode below.
  chmodSync(staged, 0o600);
  const from = openSync(staged, constants.O_RDONLY | GUARDS);
  try {
    const to = openSync(copy, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | GUARDS, 0o600);
    try {
      const write = publication.isSparse ? writeSparselySync : writeFullySync;
      let at = 0;
      for await (const piece of readPieces(from, 0, Number.MAX_SAFE_INTEGER)) at += write(to, piece, at);
      if (publication.isSparse) ftruncateSync(to, at);
      publication.metadata?.set(entryIndex, entry, to);
      fchmodSync(to, publication.modeOf(entry, undefined));
      publication.times.set(to, entry.mtimeNs);
      await fsyncLater(to);
    } finally {
      closeSync(to);
    }
  } finally {
    closeSync(from);
  }
}

/** Removes the file that an interrupted run may have left at a path. */
export function removeLeftover(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw error;
  }
}
