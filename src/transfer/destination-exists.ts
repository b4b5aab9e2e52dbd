/** The error for a destination that exists and must not be replaced. */
import { CairnError } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';

/**
 * @param path relative to the root of the store
 * @param cause for the log
 */
export function destinationExists(path: string, cause?: unknown): CairnError {
  const message = `something is at "${printable(path)}" already, or in the way, and is not replaced`;
  return new CairnError('destination-exists', message, { cause, details: { path } });
}
