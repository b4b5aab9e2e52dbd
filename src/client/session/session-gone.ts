/** Sessions that are no more. */
import { CairnError, EXIT } from '../../base/errors.ts';

/** Whether an error says that the session is gone: expired, aborted, or unknown to the server. */
export function isSessionGone(error: unknown): boolean {
  return error instanceof CairnError && error.traits.exitCode === EXIT.sessionGone;
}
