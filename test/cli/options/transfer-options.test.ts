/** Every option that push and pull have, as their commands declare them: what it sets, and how it is said again. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command, type Option } from 'commander';
import { afterAll, describe, expect, it } from 'vitest';
import { addPull } from '../../../src/cli/commands/pull/pull-command.ts';
import { addPush } from '../../../src/cli/commands/push/push-command.ts';
import { choicesOf, GROUPS, readValues } from '../../../src/cli/options/option.ts';
import {
  transferOptionsOf,
  wordsOf,
  type TransferValues,
} from '../../../src/cli/options/transfer-options.ts';

type Direction = 'push' | 'pull';

const files = mkdtempSync(path.join(tmpdir(), 'cairn-options-'));
afterAll(() => rmSync(files, { recursive: true }));
const fileOf = (name: string, text: string): string => {
  const file = path.join(files, name);
  writeFileSync(file, text);
  return file;
};
const LIST = fileOf('list', 'a\nb');
const RULES = fileOf('rules', '*.o\n');

/** A word for each option that takes one. An option that is not here makes the test fail. */
const WORDS: Readonly<Record<string, string>> = {
  '--max-delete': '7%',
  '--backup-dir': '/old',
  '--chmod': 'F644',
  '--exclude': '-x',
  '--include': '/keep',
  '--exclude-from': RULES,
  '--filter-from': RULES,
  '--files-from': LIST,
  '--max-size': '10M',
  '--min-size': '1K',
  '--min-age': '1h30m',
  '--max-age': '7d',
  '--parallel': '3',
  '--chunk-size': '1M',
  '--digest': 'sha256',
  '--sync': 'close',
  '--bwlimit': '08:00,1M 19:00,off',
  '--compress': 'never',
  '--tls-ca': RULES,
  '--tls-client-cert': RULES,
  '--tls-client-key': RULES,
  '--token-file': LIST,
  '--retry-for': '5m',
};
/** What else has to be said for an option to mean something. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  '--include': ['--exclude', '*'],
  '--from0': ['--files-from', LIST],
  '--max-delete': ['--delete'],
  '--delete-anyway': ['--delete'],
  '--numeric-ids': ['--owner'],
  '--strict-metadata': ['--xattrs'],
};
/** How one run is shown or tried, which the user who resumes it decides. */
const OF_ONE_RUN = ['--dry-run', '--json', '--no-progress', '--quiet', '--verbose'];
/** Said by the other words of the command. */
const OF_THE_SOURCE = ['--from-command'];
/** Judged by the command itself, once the transfer is over. */
const NOT_OF_THE_CLIENT = ['--strict-metadata'];

function commandOf(direction: Direction): Command {
  const program = new Command();
  (direction === 'push' ? addPush : addPull)(program, async () => undefined);
  return program.commands[0]!;
}

async function parsed(direction: Direction, words: readonly string[]): Promise<TransferValues> {
  const command = commandOf(direction);
  expect(command.parseOptions([...words]).operands).toEqual([]);
  await readValues(command);
  return command.opts();
}

function wordsFor(option: Option): string[] {
  const long = option.long!;
  const beside = BESIDE[long] ?? [];
  if (option.isBoolean() || option.negate) return [...beside, long];
  const word = WORDS[long];
  if (word === undefined) throw new Error(`${long} is new: say here which word it takes`);
  const choices = choicesOf(option);
  expect(choices === undefined || choices.includes(word)).toBe(true);
  return [...beside, long, word];
}

/** Functions are compared by the words that stand for them. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_name, each: unknown) => (typeof each === 'function' ? 'function' : each)),
  );

describe.each(['push', 'pull'] as const)('options of a %s', (direction) => {
  const { options } = commandOf(direction);
  const again = options.filter(({ long }) => ![...OF_ONE_RUN, ...OF_THE_SOURCE].includes(long!));

  it.each(again.map((option) => [option.long!, option] as const))(
    'the option %s is in the command that resumes a run',
    async (_long, option) => {
      const words = wordsFor(option);
      const values = await parsed(direction, words);
      const resumed = wordsOf(values);
      expect(resumed).toContain(option.long);
      expect(plain(await parsed(direction, resumed))).toEqual(plain(values));
      expect(wordsOf(await parsed(direction, resumed))).toEqual(resumed);
    },
  );

  it('all options that were given are in the command that resumes a run, and no others', async () => {
    const values = await parsed(direction, again.flatMap(wordsFor));
    expect(plain(await parsed(direction, wordsOf(values)))).toEqual(plain(values));
    expect(wordsOf(await parsed(direction, []))).toEqual([]);
  });

  it('options of how a run is shown are not in the command that resumes it', async () => {
    const shown = options.filter(({ long }) => OF_ONE_RUN.includes(long!));
    expect(shown.map(({ long }) => long!).toSorted()).toEqual(OF_ONE_RUN);
    expect(wordsOf(await parsed(direction, shown.flatMap(wordsFor)))).toEqual([]);
  });

  const ofClient = again.filter(
    ({ long, helpGroupHeading }) => helpGroupHeading !== GROUPS.access && !NOT_OF_THE_CLIENT.includes(long!),
  );
  it.each(ofClient.map((option) => [option.long!, option] as const))(
    'the option %s changes what the client is told',
    async (long, option) => {
      const without = await transferOptionsOf(await parsed(direction, BESIDE[long] ?? []));
      const withIt = await transferOptionsOf(await parsed(direction, wordsFor(option)));
      expect(plain(withIt)).not.toEqual(plain(without));
    },
  );
});
