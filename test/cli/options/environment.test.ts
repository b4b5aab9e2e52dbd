/** Options from the environment, by the command line that the program itself defines. */
import type { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { CairnError } from '../../../src/base/errors.ts';
import { namingVariable, readEnvironment, variablesOf } from '../../../src/cli/options/environment.ts';
import { createProgram } from '../../../src/cli/program.ts';
import { settingsOf, type TransferWords } from '../../../src/cli/options/transfer-settings.ts';

/** Variables of cairn that are no options. */
const TAKEN = new Set(['CAIRN_TOKEN', 'CAIRN_STATE_HOME', 'CAIRN_PROXY_LOOPBACK']);

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Parses without running the command. */
function parsed(
  args: readonly string[],
  env: Record<string, string>,
): { command: Command; words: TransferWords } {
  const program = createProgram(() => undefined);
  const command = program.commands.find((each) => each.name() === args[0])!;
  command.action(() => undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  readEnvironment(program);
  program.parse(['node', 'cairn', ...args]);
  return { command, words: command.opts() };
}

function errorOf(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

afterEach(() => void vi.unstubAllEnvs());

describe('an option', () => {
  it('is taken from its variable, and from that of its command before', () => {
    expect(parsed(['push', 'a', 'http://h/'], { CAIRN_RETRY_FOR: '1h' }).words.retryFor).toBe('1h');
    const both = { CAIRN_RETRY_FOR: '1h', CAIRN_PUSH_RETRY_FOR: '2h', CAIRN_PULL_RETRY_FOR: '3h' };
    expect(parsed(['push', 'a', 'http://h/'], both).words.retryFor).toBe('2h');
  });

  it('of the command line goes before that of the environment', () => {
    const { words } = parsed(['push', '--retry-for', '5s', 'a', 'http://h/'], { CAIRN_RETRY_FOR: '1h' });
    expect(words.retryFor).toBe('5s');
  });

  it('is not given by a variable that is empty', () => {
    expect(parsed(['push', 'a', 'http://h/'], { CAIRN_RETRY_FOR: '', CAIRN_QUIET: ' ' }).words).toEqual({
      progress: true,
    });
  });

  it.each([
    ['1', true],
    ['true', true],
    ['0', false],
    ['FALSE', false],
  ])('without a value takes %s', (text, is) => {
    const { words } = parsed(['push', 'a', 'http://h/'], { CAIRN_CHECKSUM: text, CAIRN_NO_PROGRESS: text });
    expect(words).toMatchObject({ checksum: is, progress: !is });
  });

  it('without a value refuses any other word, and names the variable', () => {
    expect(errorOf(() => parsed(['push', 'a', 'http://h/'], { CAIRN_QUIET: 'maybe' }))).toMatchObject({
      code: 'usage',
      message: expect.stringContaining('CAIRN_QUIET takes 1 or 0'),
    });
  });

  it('whose value is wrong is named with its variable, only where it came from there', () => {
    const asWords = ['push', 'a', 'http://h/'];
    const fromVariable = parsed(asWords, { CAIRN_PARALLEL: 'many' });
    const error = errorOf(() => settingsOf(fromVariable.words));
    expect(namingVariable(error, fromVariable.command)).toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^CAIRN_PARALLEL in the environment: --parallel takes a number/),
    });
    const fromLine = parsed([...asWords, '--parallel', 'many'], { CAIRN_PARALLEL: '4' });
    const other = errorOf(() => settingsOf(fromLine.words)) as CairnError;
    expect(namingVariable(other, fromLine.command)).toBe(other);
  });

  it('that chooses what a command does has no variable that reaches other commands', () => {
    const program = createProgram(() => undefined);
    const names = everyCommand(program).flatMap((command) =>
      command.options.filter(({ long }) => long === '--all').map((option) => variablesOf(command, option)),
    );
    expect(names).toEqual([['CAIRN_TRANSFERS_RM_ALL'], ['CAIRN_SESSIONS_ABORT_ALL']]);
  });
});

describe('an option that removes, replaces or goes below', () => {
  it('has no variable that reaches other commands', () => {
    const flags = new Set(['--recursive', '--force', '--parents']);
    const names = everyCommand(createProgram(() => undefined)).flatMap((command) =>
      command.options
        .filter(({ long }) => flags.has(long ?? ''))
        .flatMap((option) => variablesOf(command, option)),
    );
    expect(names).toEqual([
      'CAIRN_LS_RECURSIVE',
      'CAIRN_RM_RECURSIVE',
      'CAIRN_RM_FORCE',
      'CAIRN_MV_FORCE',
      'CAIRN_MKDIR_PARENTS',
    ]);
  });
});

describe('the variables of all options', () => {
  const program = createProgram(() => undefined);
  const all = everyCommand(program).flatMap((command) =>
    command.options.map((option) => ({ command, option, names: variablesOf(command, option) })),
  );

  it('exist for every option of every command', () => {
    const without = all.filter(({ names, option }) => names.length === 0 && option.long !== '--version');
    expect(without.map(({ option }) => option.flags)).toEqual([]);
  });

  it('stand for nothing else', () => {
    expect(all.flatMap(({ names }) => names).filter((name) => TAKEN.has(name))).toEqual([]);
  });

  it('mean one thing: what has the same name takes the same kind of value', () => {
    const kinds = new Map<string, Set<string>>();
    for (const { names, option } of all) {
      const kind = /[<[].*$/.exec(option.flags)?.[0] ?? 'switch';
      for (const name of names) kinds.set(name, (kinds.get(name) ?? new Set()).add(kind));
    }
    expect([...kinds].filter(([, each]) => each.size > 1)).toEqual([]);
  });
});
