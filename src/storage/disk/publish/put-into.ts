/** Gives a complete and durable file its final name: in place of an existing one, or only where none exists. */
import { linkSync, lstatSync } from 'node:fs';
import { CairnError, systemCodeOf } from '../../../base/errors.ts';
import { destinationExists } from '../../../transfer/destination-exists.ts';
import { freshNames } from '../../fresh-names.ts';
import type { Prepared } from './prepare-entry.ts';
import { type Publication, targetOf } from './publication.ts';
import { renameInto } from './replace-type.ts';
import type { FinalPlace } from './final-place.ts';

/** The errors of a file system without hard links, or with no more of them for this file. */
export const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL']);

/** Whether existing files stay as they are. */
export function isAdding({ order }: Pick<Publication, 'order'>): boolean {
  return (order.existing ?? 'replaced') !== 'replaced';
}

/**
 * Puts a file or link into its place.
 *
 * @throws system errors; CairnError `destination-exists` where an existing file is kept; like {@link renameInto}
 */
export async function putInto(
  publication: Publication,
  prepared: Prepared,
  from: FinalPlace,
  to: FinalPlace,
): Promise<void> {
  if (!isAdding(publication)) return renameInto(publication, prepared, from, to);
  const isRenamed = publication.order.existing === 'renamed';
  for (const name of isRenamed ? freshNames(to.name) : [to.name]) {
    if (isAdded(publication, from, { directory: to.directory, name })) return;
  }
  throw destinationExists(targetOf(publication, prepared.entry));
}

/**
 * Whether an interrupted run has put the staged file in its place: the file keeps its staged name until the removal of
 * the staging area, and has two names from then on.
 */
export function wasAdded({ directory, name }: FinalPlace): boolean {
  return (lstatSync(directory.at(name), { throwIfNoEntry: false })?.nlink ?? 0) > 1;
}

/** Gives a file a second name, atomically; false where that name is taken. */
function isAdded({ native }: Publication, from: FinalPlace, to: FinalPlace): boolean {
  try {
    linkSync(from.directory.at(from.name), to.directory.at(to.name));
    return true;
  } catch (error) {
    const system = systemCodeOf(error) ?? '';
    if (system === 'EEXIST') return false;
    if (!NO_LINKS.has(system)) throw error;
    if (native?.renameNewAt !== undefined)
      return native.renameNewAt(from.directory.fd, from.name, to.directory.fd, to.name);
    const message = 'the file system cannot add a file without the risk of replacing one';
    throw new CairnError('storage-unsupported', message, { cause: error });
  }
}
