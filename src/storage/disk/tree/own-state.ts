/** Tells cairn's own folder in a scanned tree from a user's file of the same name. */
import type { Directory } from '../../../base/directory.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { CairnError } from '../../../base/errors.ts';
import { RESERVED_NAME } from '../../../base/safe-path.ts';
import { listNames } from './names.ts';

/** Every folder of cairn has one of these: staged bytes, the lock and the records of a server. */
const MARKS = ['staging', 'lock', 'sessions', 'token', 'tokens.json', 'session-key'];

/**
 * Whether the file with the reserved name in a directory is cairn's own, and no part of the user's tree. An
 * unreadable folder does not count as cairn's, and an empty one does with `mayBeEmpty`.
 *
 * @throws system errors, and CairnError for a directory that is gone or for too many open files
 */
export function isOwnState(
  parent: Directory,
  name: string,
  { mayBeEmpty }: { readonly mayBeEmpty: boolean },
): boolean {
  const stat = parent.look(name, undefined);
  if (stat === undefined) return true;
  if (kindOf(stat) !== 'directory') return false;
  let directory: Directory | undefined;
  try {
    directory = parent.openChild(name, { isReserved: true });
    const { names, notUtf8 } = listNames(directory);
    return (mayBeEmpty && names.length + notUtf8.length === 0) || names.some((own) => isMark(own));
  } catch (error) {
    // Only cairn makes names with a user's number.
    if (error instanceof CairnError && error.code === 'storage-denied') return name !== RESERVED_NAME;
    throw error;
  } finally {
    directory?.close();
  }
}

/** The names of locks and staging folders have a suffix. */
function isMark(name: string): boolean {
  return MARKS.some((mark) => name === mark || name.startsWith(`${mark}.`) || name.startsWith(`${mark}-`));
}
