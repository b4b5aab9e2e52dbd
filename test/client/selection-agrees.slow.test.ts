/** One selection is one choice: a push, a pull, a listing and a comparison take the same entries of the same tree. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { verify } from '../../src/client/verify.ts';
import { parseListedPaths } from '../../src/manifest/selection-list.ts';
import { rulesIn } from '../../src/manifest/selection-rules.ts';
import { SELECT_ALL, type Selection } from '../../src/manifest/selection.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { openScene } from './support/scene.ts';

const NAMES = ['a', 'b', 'c.o', 'd'];
const RULES = ['a', 'b/', '*.o', '!c.o', '/a', '*', '!*/', '!d', 'a/**', '/b/*', '!/b/a', 'd/b', 'b/*.o'];
const NOW_MS = Date.UTC(2027, 0, 1);

const somePath = fc
  .array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'));
/** Sizes of files by path; a path below another one makes that a directory. */
const trees = fc.dictionary(somePath, fc.integer({ min: 0, max: 9 }), { minKeys: 1, maxKeys: 10 });
const size = fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined });
const selections = fc.record({
  rules: fc.array(fc.constantFrom(...RULES), { maxLength: 4 }),
  listed: fc.option(fc.array(somePath, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 3 }),
  minSizeBytes: size,
  maxSizeBytes: size,
});

function build(root: string, files: Readonly<Record<string, number>>): void {
  mkdirSync(root, { recursive: true });
  const isDirectory = (name: string): boolean =>
    Object.keys(files).some((other) => other.startsWith(`${name}/`));
  for (const [name, sizeBytes] of Object.entries(files)) {
    if (isDirectory(name)) continue;
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), 'x'.repeat(sizeBytes));
  }
}

function pathsIn(root: string): string[] {
  if (!existsSync(root)) return [];
  return [
    '',
    ...(readdirSync(root, { recursive: true }) as string[]).filter((name) => name !== '.cairn'),
  ].toSorted();
}

test('whatever is selected of whatever tree, all four say the same of each entry', async () => {
  const scene = await openScene('disk');
  const work = temporaryDirectory();
  let count = 0;
  let left = 0;
  await fc.assert(
    fc.asyncProperty(trees, selections, async (files, { rules, listed, ...bounds }) => {
      count += 1;
      const [here, there] = [path.join(work, `${count}`), path.join(scene.root, `${count}`)];
      build(here, files);
      // With all times, to the nanosecond.
      execFileSync('cp', ['-a', here, there]);
      const selection: Selection = {
        ...SELECT_ALL,
        ...bounds,
        rules: rulesIn(rules.join('\n'), '--exclude'),
        ...(listed === undefined
          ? {}
          : { listed: parseListedPaths(Buffer.from(listed.join('\n')), 'LIST', false) }),
      };
      const how = { selection, wallClock: () => NOW_MS };
      const pushed = await push([here], scene.options(`/${count}-pushed`, how));
      const pulled = await pull(`${here}-pulled`, scene.options(`/${count}`, how));
      const listing = await list(scene.options(`/${count}`, how), { recursive: true });
      const compared = await verify(here, scene.options(`/${count}`, how));
      const taken = Array.from(listing.entries, (entry) => entry.path).toSorted();
      expect({ pushed: pathsIn(`${there}-pushed`), pulled: pathsIn(`${here}-pulled`) }).toEqual({
        pushed: taken,
        pulled: taken,
      });
      expect([pushed.entries, pulled.entries]).toEqual([taken.length, taken.length]);
      const missing = listing.notices.length;
      expect([pushed.excluded, pulled.excluded, compared.differing.length]).toEqual([
        missing,
        missing,
        missing,
      ]);
      expect(compared.equal).toBe(taken.length);
      const { unselected } = listing;
      expect([pushed.unselected, pulled.unselected, compared.unselected]).toEqual([
        unselected,
        unselected,
        unselected,
      ]);
      left += unselected;
    }),
    { numRuns: 60 },
  );
  expect(left).toBeGreaterThan(0);
}, 240_000);
