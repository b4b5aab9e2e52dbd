/** Whether what was done so far outlives the failure that ends a run. */
import { CairnError } from '../../base/errors.ts';

/**
 * Runs the work of a transfer. A failure says in `details.isKept` whether a checkpoint is left that another run goes on
 * from; signals and bugs stay as they are.
 */
export async function tellingWhatIsKept<Result>(
  isKept: () => boolean,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CairnError) || ENDS.has(error.code)) throw error;
    const { code, message, details, cause } = error;
    throw new CairnError(code, message, { cause, details: { ...details, isKept: isKept() } });
  }
}

const ENDS = new Set<string>(['interrupted', 'terminated', 'internal']);

/** Of a transfer that leaves nothing behind to go on from. */
export const NOTHING_IS_KEPT = (): boolean => false;
