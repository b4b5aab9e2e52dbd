/** Makers of options, and what commander does not keep of them: help, completion and man pages read it here. */
import { Option } from 'commander';

/** Headings of the options in the help of every command that has them. */
export const GROUPS = {
  what: 'What to do:',
  how: 'How to transfer:',
  access: 'Access to the server:',
  output: 'Output:',
} as const;

const chosen = new WeakMap<Option, readonly string[]>();
const ownWords = new WeakSet<Option>();

/** An option of which one value is one of `values`, or a list of them; the plan checks that, with an example. */
export function optionOf(flags: string, description: string, values: readonly string[]): Option {
  const option = new Option(flags, description);
  chosen.set(option, values);
  return option;
}

/** The words that an option takes; undefined where they are not a fixed few. */
export function valuesOf(option: Option): readonly string[] | undefined {
  return option.argChoices ?? chosen.get(option);
}

/** Lets an option be given more than once; its value is the list of what was given. */
export function repeatable(option: Option): Option {
  return option.argParser((word: string, before: readonly string[] | undefined): readonly string[] => [
    ...(before ?? []),
    word,
  ]);
}

/**
 * An option that says what a command does, or means something else in another command: it has only the variable that
 * names its command, see environment.ts.
 */
export function ofThisCommand(option: Option): Option {
  ownWords.add(option);
  return option;
}

/** Whether {@link ofThisCommand} was said of it. */
export function isOfThisCommand(option: Option): boolean {
  return ownWords.has(option);
}
