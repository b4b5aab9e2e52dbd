import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSelector, SELECT_ALL, type Selector } from '../../src/manifest/selection.ts';
import { rulesIn } from '../../src/manifest/selection-rules.ts';
import { hasProgram } from '../support/requirements.ts';

interface Case {
  /** Lines of a file of rules. */
  readonly rules: string;
  readonly path: string;
  readonly isDirectory: boolean;
}

const CASES = 600;

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'ab', '.a', 'a.b', 'build', 'A', 'a b', 'é', '[a]', 'a*', '!a', '#a', 'a '),
  fc.string({ unit: fc.constantFrom('a', 'b', '.', '-', '\\', '?'), minLength: 1, maxLength: 3 }),
);
const paths = fc
  .array(name, { minLength: 1, maxLength: 4 })
  .map((names) => names.map((each) => (each === '.' || each === '..' ? 'a' : each)).join('/'));
const TOKENS = ['a', 'b', 'ab', '*', '?', '**', '[ab]', '[!a]', '.', '\\*', '\\[', 'é', ' '];
const word = fc
  .array(fc.constantFrom(...TOKENS), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join(''));
const pattern = fc
  .tuple(
    fc.constantFrom('', '', '', '!', '/', '!/', '**/'),
    fc.array(fc.oneof(word, name), { minLength: 1, maxLength: 3 }).map((names) => names.join('/')),
    fc.constantFrom('', '', '', '/', '/*', '/**', ' ', '\\ '),
  )
  .map((parts) => parts.join(''));
const ruleLines = fc.array(fc.oneof(pattern, fc.constantFrom('', '# a', '*', '!*/', '/*', '  ')), {
  minLength: 1,
  maxLength: 4,
});
const anyCase: fc.Arbitrary<Case> = fc
  .record({
    rules: ruleLines.map((each) => each.join('\n')),
    path: paths,
    isDirectory: fc.boolean(),
  })
  .filter(({ rules: lines, path: at }) => !at.includes('é') || !/[?[]/.test(lines)); // git compares bytes there

/** Puts each case below a directory of its own, and has git say which paths are ignored there. */
function ignoredByGit(cases: readonly Case[]): ReadonlySet<number> {
  const root = mkdtempSync(join(tmpdir(), 'cairn-git-'));
  try {
    execFileSync('git', ['init', '--quiet', root]);
    for (const [index, { rules: text, path: relative, isDirectory }] of cases.entries()) {
      const place = join(root, `c${index}`, relative);
      mkdirSync(isDirectory ? place : dirname(place), { recursive: true });
      if (!isDirectory) writeFileSync(place, '');
      writeFileSync(join(root, `c${index}`, '.gitignore'), text);
    }
    const input = cases.map(({ path: relative }, index) => `c${index}/${relative}\0`).join('');
    const out = execFileSync(
      'git',
      [
        '-C',
        root,
        '-c',
        'core.excludesFile=/dev/null',
        '-c',
        'core.ignoreCase=false',
        'check-ignore',
        '--no-index',
        '-z',
        '--stdin',
      ],
      { input, maxBuffer: 1 << 26 },
    );
    return new Set(
      out
        .toString()
        .split('\0')
        .filter(Boolean)
        .map((line) => Number(line.slice(1, line.indexOf('/')))),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

function isLeftOut(path: string, isDirectory: boolean, selector: Selector): boolean {
  const type = isDirectory ? 'directory' : 'file';
  return selector.unselected({ path, type, sizeBytes: 0, mtimeNs: 0n }) !== undefined;
}

test.skipIf(!hasProgram('git'))(
  `${CASES} paths are left out exactly where git ignores them, by rules of options and of files (needs git)`,
  () => {
    const cases = fc.sample(anyCase, CASES);
    const ignored = ignoredByGit(cases);
    const ofFiles = createSelector(SELECT_ALL, 0);
    for (const [index, each] of cases.entries()) ofFiles.addIgnoreFile(`c${index}`, each.rules);
    const expected = cases.map((each, index) => ({
      ...each,
      byOptions: ignored.has(index),
      byFile: ignored.has(index),
    }));
    const found = cases.map((each, index) => {
      const ofOptions = createSelector({ ...SELECT_ALL, rules: rulesIn(each.rules, 'an option') }, 0);
      return {
        ...each,
        byOptions: isLeftOut(each.path, each.isDirectory, ofOptions),
        byFile: isLeftOut(`c${index}/${each.path}`, each.isDirectory, ofFiles),
      };
    });
    expect(found).toEqual(expected);
    // Of cases that decide nothing, any number would agree.
    expect(ignored.size).toBeGreaterThan(CASES / 10);
  },
);
