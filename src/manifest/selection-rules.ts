/** Rules in the syntax of gitignore, and the one that leaves a path out. Pure. */
import ignore from 'ignore';

/** One pattern, and where it was found: an option, or a file. */
export interface Rule {
  readonly pattern: string;
  readonly from: string;
}

/** Finds the rule that leaves a path or a directory above it out; undefined where none does. */
export type RuleMatcher = (path: string, isDirectory: boolean) => Rule | undefined;

/** The package keeps what it was asked, and the paths above: 300,000 paths took 358 MB. */
const ASKED_BEFORE_RENEWAL = 10_000;
const SPECIAL = /[\\*?[\]]/g;

/** The rules of a text, a line each; comments and empty lines are none. */
export function rulesIn(text: string, from: string): Rule[] {
  return text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
    .filter((line) => !line.startsWith('#') && !/^!?\/?$/.test(withoutTrailingSpaces(line)))
    .map((pattern) => ({ pattern, from }));
}

/** The rule of a line for the entries below `directory`, as a rule for the whole tree. */
export function ruleBelow(directory: string, { pattern, from }: Rule): Rule {
  if (directory === '') return { pattern, from };
  const isNegative = pattern.startsWith('!');
  const body = withoutTrailingSpaces(isNegative ? pattern.slice(1) : pattern);
  const isAnchored = body.slice(0, -1).includes('/');
  const between = isAnchored ? (body.startsWith('/') ? '' : '/') : '/**/';
  const place = directory.replaceAll(SPECIAL, String.raw`\$&`);
  return { pattern: `${isNegative ? '!' : ''}/${place}${between}${body}`, from };
}

/**
 * Makes a matcher. Of the rules that match a path the last one decides; what lies below a directory that is left out
 * cannot be taken again.
 */
export function createRuleMatcher(rules: readonly Rule[]): RuleMatcher {
  if (rules.length === 0) return () => undefined;
  const compiled = ignore({ ignorecase: false }).add(
    rules.map(({ pattern }, index) => ({ pattern, mark: String(index) })),
  );
  let current = ignore({ ignorecase: false }).add(compiled);
  let asked = 0;
  return (path, isDirectory) => {
    asked += 1;
    if (asked % ASKED_BEFORE_RENEWAL === 0) current = ignore({ ignorecase: false }).add(compiled);
    const { rule } = current.test(isDirectory ? `${path}/` : path);
    return rule === undefined ? undefined : rules[Number(rule.mark)];
  };
}

/** As git reads a line: a space at its end counts only behind a backslash. */
function withoutTrailingSpaces(line: string): string {
  let end = line.length;
  while (line[end - 1] === ' ') end -= 1;
  let backslashes = 0;
  while (line[end - 1 - backslashes] === '\\') backslashes += 1;
  const isEscaped = backslashes % 2 === 1 && end < line.length;
  return line.slice(0, isEscaped ? end + 1 : end);
}
