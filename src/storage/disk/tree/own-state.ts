/** Tells cairn's own folder in a scanned tree from a user's file of the same name. */
import type { Directory } from '../../../base/directory.ts';
import { kindOf } from '../../../base/file-stat.ts';
import { CairnError } from '../../../base/errors.ts';
import { RESERVED_NAME } from '../../../base/safe-path.ts';
import { listNames } from './names.ts';

/** Every folder of cairn has one of these: staged bytes, the lock and the records of a server. */
const MARKS = ['staging', 'lock', 'sessions', 'token', 'tokens.json', 'session-key'];
/** Names that a folder of a user hardly has; further down in a tree only these count. */
const SURE_MARKS = ['staging', 'sessions', 'session-key'];

/**
 * Whether the file with the reserved name in a directory is cairn's own, and no part of the user's tree. An
 * unreadable folder does not count as cairn's. At the top of a store cairn may have left an empty folder, too.
 *
 * @throws system errors, and CairnError for a directory that is gone or for too many open files
 */
export function isOwnState(
  parent: Directory,
  name: string,
  { isAtTop }: { readonly isAtTop: boolean },
): boolean {
  const stat = parent.look(name, undefined);
  if (stat === undefined) return true;
  if (kindOf(stat) !== 'directory') return false;
  let directory: Directory | undefined;
  try {
    directory = parent.openChild(name, { isReserved: true });
    const { names, notUtf8 } = listNames(directory);
    if (isAtTop && names.length + notUtf8.length === 0) return true;
    return names.some((own) => isMark(own, isAtTop ? MARKS : SURE_MARKS));
  } catch (error) {
    // Only cairn makes names with a user's number.
    if (error instanceof CairnError && error.code === 'storage-denied') return name !== RESERVED_NAME;
    throw error;
  } finally {
    directory?.close();
  }
}

/** The names of locks and staging folders have a suffix. */
function isMark(name: string, marks: readonly string[]): boolean {
  return marks.some((mark) => name === mark || name.startsWith(`${mark}.`) || name.startsWith(`${mark}-`));
}
