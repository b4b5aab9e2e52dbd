/** Empty words: what a shell makes of a variable that is not set must never mean "everything", or "here". */
import { CairnError } from '../../base/errors.ts';

/** The part of commander's `Command` that is looked at before it runs. */
export interface GivenWords {
  readonly args: readonly string[];
  readonly options: readonly { readonly long?: string | undefined; attributeName(): string }[];
  opts(): Readonly<Record<string, unknown>>;
}

/**
 * Refuses a command that has an empty word, or an option with an empty value. The arguments of the program of
 * `--from-command` may be empty, but not its name.
 *
 * @throws CairnError `usage`
 */
export function refuseEmptyWords(command: GivenWords): void {
  const values = command.opts();
  for (const option of command.options) {
    const value = values[option.attributeName()];
    const given = Array.isArray(value) ? (value as readonly unknown[]) : [value];
    if (given.includes('')) throw empty(`the value of ${option.long ?? option.attributeName()} is empty`);
  }
  const own = values['fromCommand'] === true ? command.args.slice(0, 2) : command.args;
  if (own.includes('')) throw empty('one of the arguments is empty');
}

/** Refuses a variable of the environment that is set to nothing, where a path has to be. @throws CairnError `usage` */
export function refuseEmptyVariable(name: string, value: string | undefined): void {
  if (value === '') throw empty(`${name} is set and empty`);
}

function empty(what: string): CairnError {
  return new CairnError('usage', `${what}; is a variable of the shell not set?`);
}
