/** Entries that are listed to be removed: whether one is still what was listed, and why it stays. Pure. */
import { CairnError } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import type { Entry } from '../manifest/entry.ts';

/**
 * Whether an entry that was found is the listed one: the same type, and of a file the same size and time, of a link the
 * same target and time. The time of a directory changes with each entry that is removed from it.
 */
export function isAsListed(found: Entry, listed: Entry): boolean {
  if (found.type !== listed.type) return false;
  if (found.type === 'directory') return true;
  const { sizeBytes, mtimeNs, linkTarget } = listed;
  return found.sizeBytes === sizeBytes && found.mtimeNs === mtimeNs && found.linkTarget === linkTarget;
}

/** The error for a listed entry that is another one by now. */
export function changedSinceListed(path: string): CairnError {
  const message = `"${printable(path)}" has changed since it was to be deleted, and stays`;
  return new CairnError('destination-changed', message, { details: { path } });
}

/** The error for a listed directory in which entries are left. */
export function notEmpty(path: string, cause?: unknown): CairnError {
  const message = `the directory "${printable(path)}" is not empty, and stays`;
  return new CairnError('is-directory', message, { cause, details: { path } });
}
