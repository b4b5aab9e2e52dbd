/**
 * Options as tables: an entry declares an option, describes it, types it and reads it. Help, completion, man pages and the
 * environment follow from the table.
 */
import { Option, type Command } from 'commander';
import { CairnError } from '../../base/errors.ts';
import { absolutePath } from '../process/own-command.ts';
import { parseChoice } from './quantities.ts';

/** Headings of the options in the help of every command that has them. */
export const GROUPS = {
  what: 'What to do:',
  selection: 'Selection:',
  metadata: 'What to keep of each entry:',
  how: 'How to transfer:',
  access: 'Access to the server:',
  output: 'Output:',
} as const;

/** Where the words of an option came from: every process of the machine can read the command line. */
export type OptionSource = 'environment' | 'command line';

/** One option, and the type of the value that its command is given. */
export interface Declared<Value> {
  readonly flags: string;
  readonly description: string;
  /** The value where the option was not given; without a fallback it is undefined. */
  readonly fallback?: Value;
  /** The words that it takes, where they are a fixed few. */
  readonly choices?: readonly string[];
  readonly isRepeatable?: boolean;
  /** Whether a word of it is the path of a local file. */
  readonly isPath?: boolean;
  readonly isOfThisCommand?: boolean;
  /** Whether it says how one run is shown or tried: neither the command that resumes a run nor a job has it. */
  readonly isOfOneRun?: boolean;
  /** Makes the value of what was given, a word each time. @throws CairnError `usage` that begins with `option`, `--name` */
  readonly read?: (option: string, words: readonly string[], source: OptionSource) => Value | Promise<Value>;
}

/** What runs a command, by its arguments and the values of its options. */
export type Run<Args extends unknown[]> = (...args: Args) => Promise<void>;

/** Options by the names of their values. */
export type Table = Readonly<Record<string, Declared<unknown>>>;

/** The values that a command is given, by the table of its options. */
export type ValuesOf<Options> = {
  readonly [Name in keyof Options]: Options[Name] extends Declared<infer Value> ? Value : never;
};

/** A switch: true where it was given; one that begins with `--no-` is false then, and true otherwise. */
export function flag(flags: string, description: string): Declared<boolean> {
  return { flags, description, fallback: /--no-/.test(flags) };
}

/** An option whose value is taken as it was written. */
export function text(flags: string, description: string): Declared<string | undefined> {
  return { flags, description };
}

/** An option whose value `read` makes of one word. */
export function value<Value>(
  flags: string,
  description: string,
  read: (option: string, word: string, source: OptionSource) => Value | Promise<Value>,
): Declared<Value | undefined> {
  return { flags, description, read: (option, [word = ''], source) => read(option, word, source) };
}

/** An option that takes the path of a file; its value is absolute. */
export function file(flags: string, description: string): Declared<string | undefined> {
  return { ...value(flags, description, (_option, word) => absolutePath(word)), isPath: true };
}

/** An option that takes one of a few words. */
export function choice<const Choice extends string>(
  flags: string,
  description: string,
  choices: readonly Choice[],
): Declared<Choice | undefined> {
  return { ...value(flags, description, (option, word) => parseChoice(option, word, choices)), choices };
}

/** An option that may be given more than once; `read` makes its value of all words that were given. */
export function list<Value>(
  flags: string,
  description: string,
  read: (option: string, words: readonly string[]) => Value | Promise<Value>,
): Declared<Value | undefined> {
  return { flags, description, read, isRepeatable: true };
}

/**
 * Options that say what a command does, or mean something else in another command: only the variables of the environment that
 * name their command stand for them, see environment.ts.
 */
export function ofThisCommand<Options extends Table>(table: Options): Options {
  const own = Object.entries(table).map(([name, option]) => [name, { ...option, isOfThisCommand: true }]);
  return Object.fromEntries(own) as Options;
}

/** Options that belong to one run: see {@link Declared.isOfOneRun}. */
export function ofOneRun<Options extends Table>(table: Options): Options {
  const own = Object.entries(table).map(([name, option]) => [name, { ...option, isOfOneRun: true }]);
  return Object.fromEntries(own) as Options;
}

/** An option with a value where it was not given. */
export function withFallback<Value>(option: Declared<Value | undefined>, fallback: Value): Declared<Value> {
  return { ...(option as Declared<Value>), fallback };
}

const declarations = new WeakMap<Option, Declared<unknown>>();

/** Adds the options of a table to a command, below the heading `group` of its help. */
export function addOptions(command: Command, group: string, table: Table): Command {
  for (const [name, declared] of Object.entries(table)) {
    const option = new Option(declared.flags, declared.description).helpGroup(group);
    if (option.attributeName() !== name)
      throw new Error(`${declared.flags} is called ${name} in its table of options`);
    if (declared.fallback !== undefined) option.default(declared.fallback);
    if (declared.isRepeatable === true) option.argParser(collect);
    declarations.set(option, declared);
    command.addOption(option);
  }
  return command;
}

function collect(word: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), word];
}

/**
 * Replaces the words that were given by their values, right before a command runs. Commander's own parsers of values would run
 * before help is printed, and before an empty word is refused.
 *
 * @throws CairnError `usage`, which names the variable where a word came from the environment
 */
export async function readValues(command: Command): Promise<void> {
  for (const option of command.options) {
    const name = option.attributeName();
    const read = declarations.get(option)?.read;
    const source = command.getOptionValueSource(name);
    if (read === undefined || source === undefined || source === 'default') continue;
    const given = command.getOptionValue(name) as string | readonly string[];
    const words = typeof given === 'string' ? [given] : given;
    try {
      const from = source === 'env' ? 'environment' : 'command line';
      // oxlint-disable-next-line no-await-in-loop -- the first that is wrong is told
      command.setOptionValueWithSource(name, await read(option.long ?? name, words, from), source);
    } catch (error) {
      throw source === 'env' ? namingVariable(error, option.envVar) : error;
    }
  }
}

function namingVariable(error: unknown, variable: string | undefined): unknown {
  if (!(error instanceof CairnError) || variable === undefined) return error;
  const { code, message, details } = error;
  return new CairnError(code, `${variable} in the environment: ${message}`, { cause: error, details });
}

/** What the table of a command says of an option; undefined for those that commander adds. */
export function declarationOf(option: Option): Declared<unknown> | undefined {
  return declarations.get(option);
}

/** The words that an option takes; undefined where they are not a fixed few. */
export function choicesOf(option: Option): readonly string[] | undefined {
  return option.argChoices ?? declarations.get(option)?.choices;
}

/** Whether {@link ofThisCommand} was said of it. */
export function isOfThisCommand(option: Option): boolean {
  return declarations.get(option)?.isOfThisCommand === true;
}
