/** What may stand at the cursor of a command line, by the definitions of the commands. */
import type { Argument, Command, Option } from 'commander';
import { choicesOf } from '../../options/option.ts';

/** Something to choose. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** What to offer. */
export interface Offer {
  readonly candidates: readonly Candidate[];
  /** Whether names of files belong there, too: the shell knows those best. */
  readonly files: boolean;
}

/** What only the running machine knows. */
export interface Known {
  /** Ids of unfinished transfers. */
  transferIds(): Promise<readonly Candidate[]>;
  /** Names of jobs in a job file; `file` is that of `--file`, as it stands on the command line. */
  jobNames(file: string | undefined): Promise<readonly Candidate[]>;
}

const NOTHING: Offer = { candidates: [], files: false };
const FILES: Offer = { candidates: [], files: true };
/** Names of values and arguments that are paths of this machine. */
const LOCAL_PATH = /^(?:file|dir|local|path|words)$/;

/** Where the cursor is. */
interface Cursor {
  readonly command: Command;
  /** Arguments that stand before it. */
  readonly position: number;
  /** The option whose value is due. */
  readonly option: Option | undefined;
  /** The values of options before it, by their long names. */
  readonly values: ReadonlyMap<string, string>;
  /** Whether options are over. */
  readonly isAfterDashes: boolean;
}

/** The offer for the last of `words`, which follow the name of the program; it may be empty. */
export async function offerFor(program: Command, words: readonly string[], known: Known): Promise<Offer> {
  const [before, last] = [wholeWords(words.slice(0, -1)), words.at(-1) ?? ''];
  const cursor = cursorAfter(program, before);
  const { command, option } = cursor;
  // Bash gives "=" of "--option=value" as a word of its own.
  if (option !== undefined) return forValue(option, last === '=' ? '' : last, '');
  const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(last) ?? [];
  const assigned = flag === undefined ? undefined : optionOf(command, flag);
  if (assigned !== undefined) return forValue(assigned, value ?? '', `${flag}=`);
  if (last.startsWith('-') && !cursor.isAfterDashes) return starting(optionsOf(command), last);
  const argument = command.registeredArguments[cursor.position] ?? variadicOf(command);
  const own = argument === undefined ? NOTHING : await forArgument({ program, argument, ...cursor }, known);
  const subcommands = cursor.position === 0 ? subcommandsOf(command) : [];
  return { ...starting([...subcommands, ...own.candidates], last), files: own.files };
}

function wholeWords(words: readonly string[]): string[] {
  return words.filter((word) => word !== '=');
}

function cursorAfter(program: Command, words: readonly string[]): Cursor {
  let [command, position, isAfterDashes]: [Command, number, boolean] = [program, 0, false];
  let option: Option | undefined;
  const values = new Map<string, string>();
  for (const word of words) {
    if (option !== undefined) {
      values.set(option.long ?? '', word);
      option = undefined;
    } else if (word === '--') isAfterDashes = true;
    else if (word.startsWith('-') && !isAfterDashes) {
      const [, flag = word, value] = /^(--[^=]+)=(.*)$/s.exec(word) ?? [];
      if (value === undefined) option = takingValue(optionOf(command, flag));
      else values.set(flag, value);
    } else {
      const next = position === 0 ? commandsOf(command).find((each) => each.name() === word) : undefined;
      if (next === undefined) position += 1;
      else command = next;
    }
  }
  return { command, position, option, values, isAfterDashes };
}

function takingValue(option: Option | undefined): Option | undefined {
  return option?.required === true ? option : undefined;
}

function optionOf(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

function optionsOf(command: Command): Candidate[] {
  const options = command.createHelp().visibleOptions(command);
  return options.flatMap(({ long, short, description }) =>
    [long, short].flatMap((word) => (word === undefined ? [] : [{ word, description }])),
  );
}

function commandsOf(command: Command): Command[] {
  return command.createHelp().visibleCommands(command);
}

function subcommandsOf(command: Command): Candidate[] {
  return commandsOf(command).map((each) => ({ word: each.name(), description: each.description() }));
}

function forValue(option: Option, last: string, prefix: string): Offer {
  const values = choicesOf(option);
  const kind = /<([^<>]*)>/.exec(option.flags)?.[1] ?? '';
  if (values === undefined) return LOCAL_PATH.test(kind) && prefix === '' ? FILES : NOTHING;
  // A list is completed at its last word.
  const done = kind.endsWith('s') ? last.slice(0, last.lastIndexOf(',') + 1) : '';
  const candidates = values.map((value) => ({ word: `${prefix}${done}${value}`, description: '' }));
  return starting(candidates, `${prefix}${last}`);
}

async function forArgument(
  {
    program,
    command,
    argument,
    values,
  }: Pick<Cursor, 'command' | 'values'> & { program: Command; argument: Argument },
  known: Known,
): Promise<Offer> {
  const { argChoices } = argument;
  if (argChoices !== undefined)
    return { candidates: argChoices.map((word) => ({ word, description: '' })), files: false };
  const isId = argument.name() === 'id' || argument.name() === 'ids';
  if (isId && command.parent?.name() === 'transfers')
    return { candidates: await known.transferIds(), files: false };
  const isName = argument.name() === 'name' || argument.name() === 'names';
  if (isName && command.parent?.name() === 'job')
    return { candidates: await known.jobNames(values.get('--file')), files: false };
  // That of help, which commander makes.
  if (argument.name() === 'command') return { candidates: subcommandsOf(program), files: false };
  return LOCAL_PATH.test(argument.name()) ? FILES : NOTHING;
}

function variadicOf(command: Command): Argument | undefined {
  const last = command.registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}

function starting(candidates: readonly Candidate[], last: string): Offer {
  return { candidates: candidates.filter(({ word }) => word.startsWith(last)), files: false };
}
