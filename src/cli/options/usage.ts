import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';

/** The error for words that cannot be understood: what is wrong, and one example that would be right. */
export function usage(what: string, example: string): CairnError {
  return new CairnError('usage', sentence(what, example));
}

/**
 * The error for the value of one option, `--name` and what follows it; where the value came from a variable of the
 * environment, that is named too.
 */
export function optionUsage(option: string, what: string, example: string): CairnError {
  return new CairnError('usage', sentence(what, example), {
    details: { option: option.split(' ')[0] ?? '' },
  });
}

function sentence(what: string, example: string): string {
  return `${printable(what)}; for example: ${printable(example)}`;
}
