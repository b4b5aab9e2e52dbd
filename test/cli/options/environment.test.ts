/** Options from the environment, by the command line that the program itself defines. */
import type { Command } from 'commander';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { readEnvironment, variablesOf } from '../../../src/cli/options/environment.ts';
import { createProgram } from '../../../src/cli/program.ts';
import type { TransferValues } from '../../../src/cli/options/transfer-options.ts';

/** Variables of cairn that are no options. */
const TAKEN = new Set(['CAIRN_TOKEN', 'CAIRN_STATE_HOME', 'CAIRN_PROXY_LOOPBACK']);

function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** The values that a command would be run with. */
async function parsed(args: readonly string[], env: Record<string, string>): Promise<TransferValues> {
  const program = createProgram(() => undefined);
  const command = program.commands.find((each) => each.name() === args[0])!;
  command.action(() => undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  readEnvironment(program);
  await program.parseAsync(['node', 'cairn', ...args]);
  return command.opts();
}

afterEach(() => void vi.unstubAllEnvs());

describe('options from the environment', () => {
  const push = ['push', 'a', 'http://h/'];
  const hours = (count: number): object => ({ retryFor: { ms: count * 3_600_000, isGiven: true } });

  it('an option is taken from its variable, and first from that of its command', async () => {
    expect(await parsed(push, { CAIRN_RETRY_FOR: '1h' })).toMatchObject(hours(1));
    const both = { CAIRN_RETRY_FOR: '1h', CAIRN_PUSH_RETRY_FOR: '2h', CAIRN_PULL_RETRY_FOR: '3h' };
    expect(await parsed(push, both)).toMatchObject(hours(2));
  });

  it('an option of the command line counts before that of the environment', async () => {
    const values = await parsed(['push', '--retry-for', '3h', 'a', 'http://h/'], { CAIRN_RETRY_FOR: '1h' });
    expect(values).toMatchObject(hours(3));
  });

  it('an option is not given by a variable that is empty', async () => {
    const values = await parsed(push, { CAIRN_RETRY_FOR: '', CAIRN_QUIET: ' ' });
    expect(values).toMatchObject({ retryFor: { isGiven: false }, quiet: false });
  });

  it.each([
    ['1', true],
    ['true', true],
    ['0', false],
    ['FALSE', false],
  ])('an option without a value takes %s', async (text, is) => {
    const values = await parsed(push, { CAIRN_CHECKSUM: text, CAIRN_NO_PROGRESS: text });
    expect(values).toMatchObject({ checksum: is, progress: !is });
  });

  it('an option without a value refuses any other word, and names the variable', async () => {
    await expect(parsed(push, { CAIRN_QUIET: 'maybe' })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('CAIRN_QUIET takes 1 or 0'),
    });
  });

  it('a wrong value of an option is named with its variable if it came from there', async () => {
    await expect(parsed(push, { CAIRN_PARALLEL: 'many' })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^CAIRN_PARALLEL in the environment: --parallel takes a number/),
    });
    await expect(parsed([...push, '--parallel', 'many'], { CAIRN_PARALLEL: '4' })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^--parallel takes a number/),
    });
  });

  it('the option --all has no variable that reaches other commands', () => {
    const program = createProgram(() => undefined);
    const names = everyCommand(program).flatMap((command) =>
      command.options.filter(({ long }) => long === '--all').map((option) => variablesOf(command, option)),
    );
    expect(names).toEqual([['CAIRN_TRANSFERS_RM_ALL'], ['CAIRN_JOB_RUN_ALL'], ['CAIRN_SESSIONS_ABORT_ALL']]);
  });
});

describe('options that remove, replace or go below', () => {
  it('an option that removes, replaces or goes below has no variable that reaches other commands', () => {
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

describe('variables of all options', () => {
  const program = createProgram(() => undefined);
  const all = everyCommand(program).flatMap((command) =>
    command.options.map((option) => ({ command, option, names: variablesOf(command, option) })),
  );

  it('every option of every command has a variable', () => {
    const without = all.filter(({ names, option }) => names.length === 0 && option.long !== '--version');
    expect(without.map(({ option }) => option.flags)).toEqual([]);
  });

  it('a variable of an option has no other meaning', () => {
    expect(all.flatMap(({ names }) => names).filter((name) => TAKEN.has(name))).toEqual([]);
  });

  it('options with the same variable take the same kind of value', () => {
    const kinds = new Map<string, Set<string>>();
    for (const { names, option } of all) {
      const kind = /[<[].*$/.exec(option.flags)?.[0] ?? 'switch';
      for (const name of names) kinds.set(name, (kinds.get(name) ?? new Set()).add(kind));
    }
    expect([...kinds].filter(([, each]) => each.size > 1)).toEqual([]);
  });
});
