/** The options that select entries, of push, pull, ls and verify; and the words that select the same again. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { storageError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { Rule } from '../../manifest/selection-rules.ts';
import type { Selection } from '../../manifest/selection.ts';
import { absolutePath } from '../process/own-command.ts';
import { readDescriptorWhole } from '../process/whole-input.ts';
import { addOptions, flag, GROUPS, list, value, type ValuesOf } from './option.ts';
import { parseDuration, parseSize } from './quantities.ts';
import { usage } from './usage.ts';
import { wordsAgain } from './words-again.ts';

/** What one occurrence of an option about rules says. */
interface GivenRules {
  /** The word that says it again, from any directory. */
  readonly word: string;
  readonly rules: readonly Rule[];
}

/** Standard input, as the file of a list. */
const INPUT = '-';
const STDIN = 0;
const SIZES = { min: 0, max: Number.MAX_SAFE_INTEGER };
/** A hundred years. */
const AGES = { maxMs: 36_525 * 86_400_000 };

const rulesOption = (
  flags: string,
  description: string,
  read: (option: string, word: string) => Promise<GivenRules>,
) => list(flags, description, (option, words) => Promise.all(words.map((word) => read(option, word))));

const RULES = {
  exclude: rulesOption(
    '--exclude <pattern>',
    'leave out what matches, as a line of .gitignore does: *.log, build/, /only/at/the/top',
    async (option, word) => ({ word, rules: [{ pattern: plainPattern(option, word), from: option }] }),
  ),
  include: rulesOption(
    '--include <pattern>',
    'take what an earlier rule leaves out, as a line of .gitignore with ! does',
    async (option, word) => ({ word, rules: [{ pattern: `!${plainPattern(option, word)}`, from: option }] }),
  ),
  excludeFrom: {
    ...rulesOption(
      '--exclude-from <file>',
      'one --exclude on each line of a file; # begins a comment',
      async (option, word) => {
        const given = await readRules(word);
        for (const { pattern } of given.rules) plainPattern(`a line of ${option}`, pattern);
        return given;
      },
    ),
    isPath: true,
  },
  filterFrom: {
    ...rulesOption(
      '--filter-from <file>',
      'rules as .gitignore has them, ! among them, on the lines of a file',
      (_option, word) => readRules(word),
    ),
    isPath: true,
  },
};
const BOUNDS = {
  filesFrom: {
    ...value(
      '--files-from <file>',
      'only the paths on the lines of a file, or of standard input for -; a directory with everything in it',
      async (_option, word) => ({
        word: word === INPUT ? word : absolutePath(word),
        bytes: word === INPUT ? await readDescriptorWhole(STDIN) : await readWhole(word),
      }),
    ),
    isPath: true,
  },
  from0: flag('-0, --from0', 'a NUL, and no newline, ends each path of --files-from'),
  maxSize: value('--max-size <size>', 'leave out larger files', sizeOf),
  minSize: value('--min-size <size>', 'leave out smaller files', sizeOf),
  minAge: value('--min-age <duration>', 'leave out files that were modified since: 1h30m, 7d', ageOf),
  maxAge: value('--max-age <duration>', 'leave out files that were last modified before that', ageOf),
};
const LOCAL = {
  ignoreFiles: flag('--no-ignore-files', 'take no rules from the .cairnignore files in the source'),
  excludeCaches: flag('--exclude-caches', 'leave directories with a CACHEDIR.TAG empty but for that'),
  oneFileSystem: flag('-x, --one-file-system', 'leave directories on other file systems empty'),
};

/** Why commands that select in the tree of a server have not all of {@link LOCAL}. */
const ONLY_LOCAL: Readonly<Record<keyof typeof LOCAL, string>> = {
  ignoreFiles: 'files named .cairnignore only count in a source on this machine, for push and verify',
  excludeCaches: 'a pull reads no tags before it has a plan: push, verify and ls have this option',
  oneFileSystem: 'a server does not tell on which file system an entry is: push and verify have this option',
};

/** What to say of options among `words` that a command has not, and others have: a line for each. */
export function whyOnlyLocal(words: readonly string[], command: Command | undefined): string[] {
  const own = new Set(command?.options.map(({ flags }) => flags));
  const given = words.map((word) => word.split('=', 1)[0]!);
  return Object.entries(LOCAL).flatMap(([name, { flags }]) => {
    const word = flags.split(', ').find((each) => given.includes(each));
    return word === undefined || own.has(flags) ? [] : [`${word}: ${ONLY_LOCAL[name as keyof typeof LOCAL]}`];
  });
}

type RuleOption = keyof typeof RULES;
/** The names of these options on the command line. */
const RULE_NAMES = {
  exclude: 'exclude',
  include: 'include',
  excludeFrom: 'exclude-from',
  filterFrom: 'filter-from',
} as const satisfies Record<RuleOption, string>;

/** What a user says of a selection; a tree of the server has no {@link LOCAL} options. */
export type SelectionValues = ValuesOf<typeof RULES & typeof BOUNDS> &
  Partial<ValuesOf<typeof LOCAL>> & {
    /** The options about rules in the order of the command line; those of the environment are not among them. */
    readonly ruleOrder?: readonly RuleOption[];
  };

/** Adds the options; `isLocal`: also those for a tree on this machine; `findsCaches`: of those, that about caches. */
export function addSelectionOptions(
  command: Command,
  { isLocal, findsCaches = isLocal }: { readonly isLocal: boolean; readonly findsCaches?: boolean },
): Command {
  const { excludeCaches, ...local } = LOCAL;
  const own = { ...(isLocal ? local : {}), ...(findsCaches ? { excludeCaches } : {}) };
  addOptions(command, GROUPS.selection, { ...RULES, ...BOUNDS, ...own });
  for (const [option, name] of Object.entries(RULE_NAMES))
    command.on(`option:${name}`, () => {
      const before = (command.getOptionValue('ruleOrder') ?? []) as readonly string[];
      command.setOptionValue('ruleOrder', [...before, option]);
    });
  return command;
}

/** The selection that was asked for; undefined where nothing was. @throws CairnError `usage` */
export async function selectionOf(values: SelectionValues): Promise<Selection | undefined> {
  const { filesFrom, from0, ignoreFiles = true, excludeCaches = false, oneFileSystem = false } = values;
  if (from0 && filesFrom === undefined)
    throw usage('--from0 says how the paths of --files-from end: give that, too', '--files-from list -0');
  if (!isSelecting(values)) return undefined;
  const { parseListedPaths } = await import('../../manifest/selection-list.ts');
  const { SELECT_ALL, selectionId } = await import('../../manifest/selection.ts');
  const selection: Selection = {
    rules: inOrder(values).flatMap(({ rules }) => rules),
    listed: filesFrom && parseListedPaths(filesFrom.bytes, listName(filesFrom.word), from0),
    minSizeBytes: values.minSize?.amount,
    maxSizeBytes: values.maxSize?.amount,
    minAgeMs: values.minAge?.amount,
    maxAgeMs: values.maxAge?.amount,
    readsIgnoreFiles: ignoreFiles,
    excludesCaches: excludeCaches,
    staysOnFileSystem: oneFileSystem,
  };
  refuseIncludesAlone(values, selection);
  return selectionId(selection) === selectionId(SELECT_ALL) ? undefined : selection;
}

/** Where no file of the tree has rules, "only these" was meant, and everything would be taken. @throws CairnError `usage` */
function refuseIncludesAlone({ ignoreFiles = false }: SelectionValues, { rules }: Selection): void {
  const areAlone = rules.length > 0 && rules.every(({ pattern }) => pattern.startsWith('!'));
  if (!areAlone || ignoreFiles) return;
  throw usage(
    '--include takes what an earlier rule leaves out, and there is none',
    `--exclude "*" --include "*/" --include "*.jpg" for these files alone`,
  );
}

/** Whether an option was given that selects. */
export function isSelecting(values: SelectionValues): boolean {
  return selectionWordsOf(values).length > 0;
}

/** Whether a command reads a list of paths from standard input, which it can do once only. */
export function readsListFromInput(words: readonly string[]): boolean {
  return words.some((word, index) => word === '--files-from' && words[index + 1] === INPUT);
}

/** The words that select the same again, from any working directory. */
export function selectionWordsOf(values: SelectionValues): string[] {
  const rules = inOrder(values).flatMap(({ option, word }) => [`--${RULE_NAMES[option]}`, word]);
  return [...rules, ...wordsAgain({ ...BOUNDS, ...LOCAL }, values)];
}

/** What was said of rules, in order: of the environment, then of the command line. */
function inOrder(values: SelectionValues): (GivenRules & { readonly option: RuleOption })[] {
  const { ruleOrder = [] } = values;
  const options = Object.keys(RULE_NAMES) as RuleOption[];
  const left = new Map(options.map((option) => [option, [...(values[option] ?? [])]]));
  const ofEnvironment = options
    .filter((option) => !ruleOrder.includes(option))
    .flatMap((option) => left.get(option)!.map(() => option));
  return [...ofEnvironment, ...ruleOrder].flatMap((option) => {
    const next = left.get(option)!.shift();
    return next === undefined ? [] : [{ ...next, option }];
  });
}

function plainPattern(option: string, word: string): string {
  if (!word.startsWith('!')) return word.startsWith('#') ? `\\${word}` : word;
  const example = `--include "${word.slice(1)}", or \\! for a name that begins so`;
  throw usage(`${option} takes a pattern without "!", not "${word}"`, example);
}

async function readRules(word: string): Promise<GivenRules> {
  const { rulesIn } = await import('../../manifest/selection-rules.ts');
  return { word: absolutePath(word), rules: rulesIn((await readWhole(word)).toString(), word) };
}

async function readWhole(word: string): Promise<Buffer> {
  try {
    return await readFile(word);
  } catch (error) {
    throw storageError(error, `reading "${printable(word)}"`);
  }
}

function listName(word: string): string {
  return word === INPUT ? 'standard input' : `"${printable(word)}"`;
}

function sizeOf(option: string, word: string): { readonly word: string; readonly amount: number } {
  return { word, amount: parseSize(option, word, SIZES) };
}

function ageOf(option: string, word: string): { readonly word: string; readonly amount: number } {
  return { word, amount: parseDuration(option, word, AGES) };
}
