/** Older versions of files at the destination that are others by now: what was to be taken from them is not there. */
import { CairnError } from '../../base/errors.ts';
import type { PassPlan } from '../transfer/pass-result.ts';

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
