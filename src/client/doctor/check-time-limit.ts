import { CairnError } from '../../base/errors.ts';
import { failed, type CheckName, type Finding } from './finding.ts';

/**
 * Runs one check for at most `limitMs`. What it throws, and that it took too long, are findings; only the end that the
 * user wants is thrown.
 */
export async function withinLimit(
  check: CheckName,
  limitMs: number,
  outer: AbortSignal,
  work: (signal: AbortSignal) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  outer.throwIfAborted();
  const limit = new AbortController();
  const late = new CairnError('timeout', `no result within ${Math.round(limitMs / 1000)} seconds`);
  const timer = setTimeout(() => limit.abort(late), limitMs);
  const signal = AbortSignal.any([outer, limit.signal]);
  try {
    // Not everything that is waited for looks at the signal.
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    return await Promise.race([work(signal), ended]);
  } catch (error) {
    outer.throwIfAborted();
    if (error instanceof CairnError) return [failed(check, error)];
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
