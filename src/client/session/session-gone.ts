/** Sessions that are no more. */
import { CairnError, EXIT } from '../../base/errors.ts';

/** Whether an error says that the session is gone: expired, aborted, or unknown to the server. */
export function isSessionGone(error: unknown): boolean {
  return error instanceof CairnError && error.traits.exitCode === EXIT.sessionGone;
}

/** What the work answers; undefined where the session turns out to be gone. */
export async function unlessGone<Result>(work: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await work();
  } catch (error) {
    if (isSessionGone(error)) return undefined;
    throw error;
  }
}
