/**
 * The keys of a job that are options of its transfer: those that push or pull has, by the same names. So a new option can
 * stand in the file as soon as its command has it.
 */
import type { Command, Option } from 'commander';
import { CairnError } from '../../../base/errors.ts';
import { declarationOf, type Declared } from '../../options/option.ts';
import { atHome } from './job-keys.ts';

/** A job says that by its own key `command`. */
const FROM_COMMAND = '--from-command';

/** One key. */
export interface TransferKey {
  /** The name of the option without its dashes; of a `--no-x`, `x`. */
  readonly name: string;
  /** The words of the command line that say the same. @throws CairnError `usage` whose message begins with the name */
  read(given: unknown): Promise<readonly string[]>;
}

/** The keys that `push` or `pull` has, by name. */
export function transferKeys(program: Command, direction: 'push' | 'pull'): ReadonlyMap<string, TransferKey> {
  const command = program.commands.find((each) => each.name() === direction);
  const keys = (command?.options ?? []).flatMap((option) => {
    const declared = declarationOf(option);
    const isOfJob = declared?.isOfOneRun !== true && option.long !== FROM_COMMAND;
    return declared === undefined || !isOfJob ? [] : [keyOf(option, declared)];
  });
  return new Map(keys.map((key) => [key.name, key]));
}

function keyOf(option: Option, declared: Declared<unknown>): TransferKey {
  const long = option.long ?? '';
  const name = long.replace(option.negate ? /^--no-/ : /^--/, '');
  if (option.isBoolean() || option.negate) {
    const read = async (given: unknown): Promise<readonly string[]> => {
      if (typeof given !== 'boolean') throw wrong(`${name} takes true or false`);
      return given === option.negate ? [] : [long];
    };
    return { name, read };
  }
  const read = async (given: unknown): Promise<readonly string[]> => {
    const words = wordsOf(name, declared, given);
    await declared.read?.(name, words, 'command line');
    // With "=" a word may begin with a dash.
    return words.map((word) => `${long}=${word}`);
  };
  return { name, read };
}

function wordsOf(name: string, { isRepeatable, isPath }: Declared<unknown>, given: unknown): string[] {
  const isList = isRepeatable === true && Array.isArray(given);
  const words = (isList ? (given as readonly unknown[]) : [given]).map((each) => {
    const word = typeof each === 'number' && Number.isSafeInteger(each) ? String(each) : each;
    if (typeof word !== 'string')
      throw wrong(`${name} takes ${isRepeatable === true ? 'a text or a list of texts' : 'a text'}`);
    if (word === '' || word.includes('\0')) throw wrong(`${name} is empty, or has a NUL character`);
    return word;
  });
  if (isPath !== true) return words;
  return words.map((word) => {
    // A job runs from any directory.
    if (!/^~?\//.test(word)) throw wrong(`${name} takes an absolute path, or one that begins with ~/`);
    return atHome(word);
  });
}

function wrong(message: string): CairnError {
  return new CairnError('usage', message);
}
