/** Sets metadata, mode and time of entries whose bytes were there already. */
import { closeSync, constants, fchmodSync, fstatSync, fsyncSync } from 'node:fs';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { checkKeptTime } from './kept-times.ts';
import { splitPath } from '../tree/lookup.ts';
import type { FinalPlace } from './final-place.ts';
import { isAdding } from './put-into.ts';
import { type Publication, publishedEntries, publishError, targetOf } from './publication.ts';

const MODE_BITS = 0o7777;
const OPEN_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Sets mode and time of the files and links that the order names. @throws CairnError with a storage code */
export async function setAttributes(publication: Publication): Promise<void> {
  const { order } = publication;
  if (isAdding(publication)) return;
  const isToBeSet = (type: EntryType, index: number): boolean =>
    type !== 'directory' && type !== 'hardlink' && order.isPresent(index) && order.needsAttributes(index);
  for (const [index, entry] of publishedEntries(publication, isToBeSet)) {
    const path = targetOf(publication, entry);
    try {
      const { parent, name } = splitPath(path);
      const directory = publication.cursor.enter(parent);
      if (entry.type === 'symlink') setLink(publication, directory.at(name), index, entry);
      else setFile(publication, { directory, name }, index, entry);
      checkKeptTime(publication, index, entry);
    } catch (error) {
      publication.refused.refuseAttributes(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

function setLink({ times, metadata }: Publication, path: string, index: number, entry: Entry): void {
  metadata?.set(index, entry, path);
  times.setLink(path, entry.mtimeNs);
}

function setFile(publication: Publication, place: FinalPlace, index: number, entry: Entry): void {
  const fd = openAnyhow(place);
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      throw new CairnError('source-changed', `"${printable(entry.path)}" is no longer a regular file`);
    }
    publication.metadata?.set(index, entry, fd);
    fchmodSync(fd, publication.modeOf(entry, stat.mode & MODE_BITS));
    publication.times.set(fd, entry.mtimeNs);
    if (publication.syncFileSystem === undefined) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens a file for reading or else for writing: its owner may have only one of the two rights. */
function openAnyhow({ directory, name }: FinalPlace): number {
  try {
    return directory.openFile(name, constants.O_RDONLY | OPEN_FLAGS);
  } catch (error) {
    if (systemCodeOf(error) !== 'EACCES') throw error;
    return directory.openFile(name, constants.O_WRONLY | OPEN_FLAGS);
  }
}
