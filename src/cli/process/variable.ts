/** Variables of the environment that stand for options: their names, the words for yes and no, and the wish for JSON. */

const PREFIX = 'CAIRN';
const YES = new Set(['1', 'true', 'yes', 'on']);
const NO = new Set(['0', 'false', 'no', 'off']);

/** The variable of an option, by the names of its command and its own: `CAIRN_PUSH_RETRY_FOR`. */
export function variable(words: readonly string[]): string {
  return [PREFIX, ...words].join('_').replaceAll('-', '_').toUpperCase();
}

/** Whether a word says yes or no; undefined where it says neither. */
export function switchOf(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (YES.has(word)) return true;
  return NO.has(word) ? false : undefined;
}

/** A command has a name, and some have a subcommand. */
const MOST_NAMES = 2;
const NAME = /^[a-z]+$/;

/** The words before `--`: those after it belong to the command of another program. */
function ownWords(argv: readonly string[]): readonly string[] {
  const end = argv.indexOf('--');
  return argv.slice(2, end === -1 ? undefined : end);
}

/**
 * Whether `--json` is among the words, or its variable of the environment says so: that of the command goes before
 * `CAIRN_JSON`, as for every option.
 *
 * @param argv as `process.argv` has it
 */
export function wantsJson(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const words = ownWords(argv);
  if (words.includes('--json')) return true;
  const end = words.slice(0, MOST_NAMES).findIndex((word) => !NAME.test(word));
  const names = words.slice(0, end === -1 ? MOST_NAMES : end);
  const paths = [names, names.slice(0, 1), []];
  const given = paths
    .map((path) => env[variable([...path, 'json'])])
    .find((text) => (text ?? '').trim() !== '');
  return switchOf(given ?? '') === true;
}
