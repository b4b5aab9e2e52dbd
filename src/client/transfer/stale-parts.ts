/** Older versions of files at the destination that are others by now: what was to be taken from them is not there. */
import { CairnError } from '../../base/errors.ts';
import type { PassPlan } from './pass-result.ts';
import type { TransferContext } from './transfer-context.ts';
import type { TransferTask } from './transfer-task.ts';

/** The failure that ends the pass of a refused commit; undefined where the commit was refused for something else. */
export function stalePartsOf(refusal: CairnError, { assemblies }: PassPlan): CairnError | undefined {
  const { entries } = refusal.details;
  const isStale = Array.isArray(entries) && entries.length > 0 && assemblies !== undefined;
  if (refusal.code !== 'chunks-missing' || !isStale) return undefined;
  const { code, message, details } = refusal;
  return new CairnError(code, message, { cause: refusal, details: { ...details, isStaleParts: true } });
}

/** Whether a pass has ended so. */
export function isStaleParts(error: unknown): error is CairnError {
  return error instanceof CairnError && error.details['isStaleParts'] === true;
}

/** Publishes here; a refusal because older versions are others by now ends the pass. */
export async function unlessStale<Result>(plan: PassPlan, publish: () => Promise<Result>): Promise<Result> {
  try {
    return await publish();
  } catch (error) {
    throw (error instanceof CairnError ? stalePartsOf(error, plan) : undefined) ?? error;
  }
}

/** Says that a pass ended so, and what happens now. */
export function tellStale({ report }: Pick<TransferContext, 'report'>): void {
  const message =
    'files at the destination changed during the transfer, so nothing could be taken from them; they are compared, or carried whole';
  report({ type: 'notice', message });
}

/**
 * Runs a pass; once more, with whole files, where older versions of them changed before they could be used.
 *
 * @param forget removes what is kept of the first one
 */
export async function withFreshParts<Task extends Pick<TransferTask, 'context' | 'options'>, Result>(
  task: Task,
  forget: () => Promise<void>,
  pass: (task: Task) => Promise<Result>,
): Promise<Result> {
  try {
    return await pass(task);
  } catch (error) {
    if (!isStaleParts(error)) throw error;
    tellStale(task.context);
    await forget();
    return pass({ ...task, options: { ...task.options, wholeFiles: true } });
  }
}
