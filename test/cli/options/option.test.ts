/** Tables of options, over a command of their own. */
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import {
  addOptions,
  choicesOf,
  choice,
  flag,
  isOfThisCommand,
  list,
  ofThisCommand,
  readValues,
  text,
  value,
  withFallback,
} from '../../../src/cli/options/option.ts';
import { createProgram } from '../../../src/cli/program.ts';

const TABLE = {
  ...ofThisCommand({ all: flag('--all', 'everything') }),
  progress: flag('--no-progress', 'no progress'),
  name: text('--name <name>', 'a name'),
  count: value('--count <n>', 'a count', (option, word) => {
    if (/^\d+$/.test(word)) return Number(word);
    throw new CairnError('usage', `${option} takes a number`);
  }),
  size: withFallback(
    value('--size <n>', 'a size', (_option, word) => Number(word)),
    7,
  ),
  mode: choice('--mode <mode>', 'slow or fast', ['slow', 'fast']),
  each: list('--each <word>', 'words', (_option, words) => Promise.resolve(words.join('+'))),
};

async function valuesOf(...words: readonly string[]): Promise<object> {
  const command = addOptions(new Command('x').exitOverride(), 'Options:', TABLE);
  command.hook('preAction', (_x, each) => readValues(each)).action(() => undefined);
  await command.parseAsync(['node', 'x', ...words]);
  return command.opts();
}

describe('values of options', () => {
  it('the values of options are the fallbacks, and nothing else, if no option is given', async () => {
    expect(await valuesOf()).toEqual({ all: false, progress: true, size: 7 });
  });

  it('the values of options are what each option makes of its words', async () => {
    const words = '--all --no-progress --name a --count 3 --size 4 --mode fast --each a --each b'.split(' ');
    expect(await valuesOf(...words)).toEqual({
      all: true,
      progress: false,
      name: 'a',
      count: 3,
      size: 4,
      mode: 'fast',
      each: 'a+b',
    });
  });

  it('a wrong value is refused in words that begin with the option', async () => {
    await expect(valuesOf('--count', 'x')).rejects.toThrow('--count takes a number');
    await expect(valuesOf('--mode', 'x')).rejects.toThrow('--mode takes one of slow, fast, not "x"');
  });

  it('an option that is given again has the value of its last word', async () => {
    expect(await valuesOf('--count', 'x', '--count', '5')).toMatchObject({ count: 5 });
  });
});

describe('tables of options', () => {
  const { options } = addOptions(new Command('x'), 'Options:', TABLE);

  it('a table of options tells completion the words of an option, and which is of one command', () => {
    expect(options.flatMap((option) => choicesOf(option) ?? [])).toEqual(['slow', 'fast']);
    expect(options.filter(isOfThisCommand).map(({ long }) => long)).toEqual(['--all']);
  });

  it('a table of options is refused if a name in it is not the one that commander uses', () => {
    const wrong = { recursive: flag('--all', 'everything') };
    expect(() => addOptions(new Command('x'), 'Options:', wrong)).toThrow('--all is called recursive');
  });
});

describe('help', () => {
  it('help is printed even if the value of an option is wrong', async () => {
    const program = createProgram(() => undefined).configureOutput({ writeOut: () => undefined });
    for (const command of program.commands) command.configureOutput({ writeOut: () => undefined });
    const parsed = program.parseAsync(['node', 'cairn', 'push', '--parallel', 'x', '--help']);
    await expect(parsed).rejects.toMatchObject({ code: 'commander.helpDisplayed', exitCode: 0 });
  });
});
