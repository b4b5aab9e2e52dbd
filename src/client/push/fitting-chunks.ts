/** Chunks that a proxy lets through: where it takes no body of their size, a push begins anew with smaller ones. */
import { CairnError } from '../../base/errors.ts';
import type { Report } from '../api/events.ts';

/** Sizes to fall back to, in bytes: below the usual limit of nginx (1 MiB), and the least there is. */
const FALLBACKS = [512 * 1024, 64 * 1024];

/** A push that was given up because a proxy took none of its chunks; what it had at the server is gone. */
export function tooLargeFor(error: CairnError, chunkSizeBytes: number): CairnError {
  const { code, message, details } = error;
  return new CairnError(code, message, {
    cause: error,
    details: { ...details, isGivenUp: true, chunkSizeBytes },
  });
}

/** Whether there are smaller chunks to try. */
export function hasSmaller(chunkSizeBytes: number): boolean {
  return FALLBACKS.some((size) => size < chunkSizeBytes);
}

/** Whether a proxy has refused a chunk for its size. */
export function isTooLarge(error: unknown): error is CairnError {
  return error instanceof CairnError && error.code === 'body-too-large';
}

/**
 * Runs a pass with smaller chunks for as long as a proxy refuses them and there are smaller ones.
 *
 * @param chunkSizeBytes undefined for the usual one
 * @param forget removes the record of the pass that was given up
 */
export async function withFittingChunks<Result>(
  pass: (chunkSizeBytes: number | undefined) => Promise<Result>,
  chunkSizeBytes: number | undefined,
  { report, forget }: { readonly report: Report; readonly forget: () => Promise<void> },
): Promise<Result> {
  try {
    return await pass(chunkSizeBytes);
  } catch (error) {
    const smaller = smallerThanRefused(error);
    if (smaller === undefined) throw error;
    const message = `a proxy takes no chunk of this size; going on with chunks of ${smaller / 1024} KiB`;
    report({ type: 'notice', message });
    await forget();
    return withFittingChunks(pass, smaller, { report, forget });
  }
}

/** The next chunk size to try; undefined where the failure is another one, or nothing smaller is left. */
export function smallerThanRefused(error: unknown): number | undefined {
  if (!isTooLarge(error)) return undefined;
  const { isGivenUp, chunkSizeBytes: refused } = error.details;
  return isGivenUp === true && typeof refused === 'number'
    ? FALLBACKS.find((size) => size < refused)
    : undefined;
}
