/**
 * Options from the environment: `--retry-for` of `cairn push` is `CAIRN_PUSH_RETRY_FOR`, else `CAIRN_RETRY_FOR`. What
 * stands on the command line goes first. An empty variable counts as none.
 */
import type { Command, Option } from 'commander';
import { isOfThisCommand } from './option.ts';
import { usage } from './usage.ts';
import { switchOf, variable } from '../process/variable.ts';

/** The commands from the first one below `cairn` to this one. */
export function pathOf(command: Command): readonly string[] {
  return command.parent === null ? [] : [...pathOf(command.parent), command.name()];
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
  throw usage(what, `${name}=1`);
}
