/** Directories: first made and writable for their owner, in the end with the mode and time that they were sent with. */
import { fchmodSync, fstatSync, mkdirSync } from 'node:fs';
import type { Directory } from '../../base/directory.ts';
import { systemCodeOf } from '../../base/errors.ts';
import type { Entry } from '../../manifest/entry.ts';
import { splitPath } from './lookup.ts';
import { type Publication, publishedEntries, publishError, targetOf } from './publication.ts';

const OWNER_BITS = 0o700;
const MODE_BITS = 0o7777;

/** Makes what is missing; what is there and belongs to this user becomes writable. @throws CairnError */
export async function makeDirectories(publication: Publication): Promise<void> {
  for (const [, entry] of publishedEntries(publication, (type) => type === 'directory')) {
    const path = targetOf(publication, entry);
    try {
      makeDirectory(publication, path);
    } catch (error) {
      throw publishError(error, path);
    }
    await publication.breathe();
  }
}

function makeDirectory({ cursor, touched, syncFileSystem }: Publication, path: string): void {
  if (path !== '') {
    const { parent, name } = splitPath(path);
    const directory = cursor.enter(parent);
    if (syncFileSystem === undefined) touched.add(parent);
    try {
      mkdirSync(directory.at(name), { mode: OWNER_BITS });
      return;
    } catch (error) {
      if (systemCodeOf(error) !== 'EEXIST') throw error;
    }
  }
  makeWritable(cursor.enter(path));
}

/** A directory of mode 0555 is the owner's wish for the end, and no reason not to finish. */
function makeWritable(directory: Directory): void {
  const { mode, uid } = fstatSync(directory.fd);
  if ((mode & OWNER_BITS) === OWNER_BITS || uid !== process.geteuid?.()) return;
  fchmodSync(directory.fd, (mode & MODE_BITS) | OWNER_BITS);
}

/** Where there is no syncfs: makes the new names durable. Before the final modes, which may lock this user out. */
export async function syncTouched({ cursor, touched, breathe }: Publication): Promise<void> {
  for (const path of touched) {
    cursor.enter(path).sync();
    await breathe();
  }
}

/**
 * Sets modes and times, the deepest first: what is written below a directory changes its time, and its mode may end all
 * access to what is below.
 *
 * @throws CairnError with a storage code
 */
export async function finishDirectories(publication: Publication): Promise<void> {
  const { order } = publication;
  const { entries } = publication.transfer.manifest;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    if (entries.typeOf(index) !== 'directory' || order.isExcluded(index)) continue;
    const entry = entries.at(index)!;
    const path = targetOf(publication, entry);
    try {
      const directory = publication.cursor.enter(path);
      setDirectory(publication, directory, entry);
      if (publication.syncFileSystem === undefined) directory.sync();
    } catch (error) {
      throw publishError(error, path);
    }
    await publication.breathe();
  }
}

function setDirectory({ times }: Publication, { fd }: Directory, entry: Entry): void {
  const stat = fstatSync(fd, { bigint: true });
  // Only the owner may set them; a directory of somebody else that is right already is no failure.
  if ((Number(stat.mode) & MODE_BITS) !== entry.mode) fchmodSync(fd, entry.mode);
  if (stat.mtimeNs !== entry.mtimeNs) times.set(fd, entry.mtimeNs);
}
