import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** The error for words that cannot be understood: what is wrong, and one example that would be right. */
export function usage(what: string, example: string): CairnError {
  return new CairnError('usage', `${printable(what)}; for example: ${printable(example)}`);
}
