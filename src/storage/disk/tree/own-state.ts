/** What cairn itself keeps in a tree that is scanned, and what only has its name. */
import type { Directory } from '../../../base/directory.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { CairnError } from '../../../base/errors.ts';
import { RESERVED_NAME } from '../../../base/safe-path.ts';
import { listNames } from './names.ts';

/** One of these is in every folder that cairn made: staged bytes, the lock and the records of a server. */
const MARKS = ['staging', 'lock', 'sessions', 'token', 'tokens.json', 'session-key'];

/**
 * Whether what has the reserved name in a directory is cairn's own, and no part of what the user has there. A folder that
 * cannot be read is not known to be.
 *
 * @throws system errors and CairnError of a directory that is gone, or of too many open files
 */
export function isOwnState(parent: Directory, name: string): boolean {
  const stat = parent.look(name, undefined);
  if (stat === undefined) return true;
  if (kindOf(stat) !== 'directory') return false;
  let directory: Directory | undefined;
  try {
    directory = parent.openChild(name, { isReserved: true });
    const { names, notUtf8 } = listNames(directory);
    return names.length + notUtf8.length === 0 || names.some((own) => isMark(own));
  } catch (error) {
    // Names with a user's number are only made by cairn.
    if (error instanceof CairnError && error.code === 'storage-denied') return name !== RESERVED_NAME;
    throw error;
  } finally {
    directory?.close();
  }
}

/** Locks and staging folders have more behind their names. */
function isMark(name: string): boolean {
  return MARKS.some((mark) => name === mark || name.startsWith(`${mark}.`) || name.startsWith(`${mark}-`));
}
