/** Sets mode and time of entries whose bytes were there already. */
import { closeSync, constants, fchmodSync, fstatSync, fsyncSync, openSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { Entry, EntryType } from '../../../manifest/entry.ts';
import { checkKeptTime } from './kept-times.ts';
import { splitPath } from '../tree/lookup.ts';
import { isAdding } from './put-into.ts';
import { type Publication, publishedEntries, publishError, targetOf } from './publication.ts';

const MODE_BITS = 0o7777;
const OPEN_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Sets mode and time of the files and links that the order names. @throws CairnError with a storage code */
export async function setAttributes(publication: Publication): Promise<void> {
  const { order } = publication;
  if (isAdding(publication)) return;
  const isToBeSet = (type: EntryType, index: number): boolean =>
    type !== 'directory' && order.isPresent(index) && order.needsAttributes(index);
  for (const [index, entry] of publishedEntries(publication, isToBeSet)) {
    const path = targetOf(publication, entry);
    try {
      const { parent, name } = splitPath(path);
      const directory = publication.cursor.enter(parent);
      if (entry.type === 'symlink') publication.times.setLink(directory.at(name), entry.mtimeNs);
      else setFile(publication, directory, name, entry);
      checkKeptTime(publication, index, entry);
    } catch (error) {
      publication.refused.refuseAttributes(index, publishError(error, path));
    }
    await publication.breathe();
  }
}

function setFile(publication: Publication, directory: Directory, name: string, entry: Entry): void {
  const fd = openAnyhow(directory.at(name));
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      throw new CairnError('source-changed', `"${printable(name)}" is no longer a regular file`);
    }
    fchmodSync(fd, publication.modeOf(entry, stat.mode & MODE_BITS));
    publication.times.set(fd, entry.mtimeNs);
    if (publication.syncFileSystem === undefined) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens a file for reading or else for writing: its owner may have only one of the two rights. */
function openAnyhow(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | OPEN_FLAGS);
  } catch (error) {
    if (systemCodeOf(error) !== 'EACCES') throw error;
    return openSync(path, constants.O_WRONLY | OPEN_FLAGS);
  }
}
