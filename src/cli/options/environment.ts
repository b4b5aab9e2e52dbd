/**
 * Options from the environment: `--retry-for` of `cairn push` is `CAIRN_PUSH_RETRY_FOR`, else `CAIRN_RETRY_FOR`. What
 * stands on the command line goes first. An empty variable counts as none.
 */
import type { Command, Option } from 'commander';
import { CairnError } from '../../base/errors.ts';
import { optionUsage } from './usage.ts';
import { isOfThisCommand } from './option.ts';
import { switchOf } from './switch.ts';

const PREFIX = 'CAIRN';

/** The commands from the first one below `cairn` to this one. */
export function pathOf(command: Command): readonly string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
}

/** The variable of an option, by the names of its command and its own: `CAIRN_PUSH_RETRY_FOR`. */
export function variable(words: readonly string[]): string {
  return [PREFIX, ...words].join('_').replaceAll('-', '_').toUpperCase();
}

/** The variables that stand for an option, the one that goes first at the front; none for help and version. */
export function variablesOf(command: Command, option: Option): readonly string[] {
  const name = option.long?.replace(/^--/, '');
  const path = pathOf(command);
  if (name === undefined || path.length === 0) return [];
  const own = variable([...path, name]);
  return isOfThisCommand(option) ? [own] : [own, variable([name])];
}

/** Lets every option of a command and its subcommands be given by the environment. */
export function readEnvironment(command: Command): void {
  // Commander looks there itself.
  const { env } = process;
  for (const option of command.options) {
    const name = variablesOf(command, option).find((each) => (env[each] ?? '').trim() !== '');
    if (name === undefined) continue;
    option.env(name);
    // Commander asks for the value once it knows that the command line has none.
    command.on(`optionEnv:${option.name()}`, () => {
      const value = valueFrom(option, name, env[name] ?? '');
      command.setOptionValueWithSource(option.attributeName(), value, 'env');
    });
  }
  for (const each of command.commands) readEnvironment(each);
}

function valueFrom(option: Option, name: string, text: string): unknown {
  const isSwitch = option.isBoolean() || option.negate;
  if (!isSwitch) return option.parseArg === undefined ? text : option.parseArg(text, undefined);
  const isGiven = switchOf(text);
  if (isGiven !== undefined) return isGiven !== option.negate;
  const what = `${name} takes 1 or 0, true or false, not "${text}"`;
  throw optionUsage(`--${option.name()}`, what, `${name}=1`);
}

/** An error about the value of an option, with the variable that it came from in front. */
export function namingVariable(error: unknown, command: Command | undefined): unknown {
  if (!(error instanceof CairnError) || command === undefined) return error;
  const option = command.options.find(({ long }) => long === error.details['option']);
  if (option?.envVar === undefined || error.message.includes(option.envVar)) return error;
  if (command.getOptionValueSource(option.attributeName()) !== 'env') return error;
  const { code, message, details } = error;
  return new CairnError(code, `${option.envVar} in the environment: ${message}`, { cause: error, details });
}
