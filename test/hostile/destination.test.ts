/** A destination that somebody else changes in the middle of a pull. */
import { lstatSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { pull } from '../../src/client/pull.ts';
import { CHUNK, commits, endOf, setTrap } from './support/liar.ts';

const ROOT_LINE = '["d","",493,"0"]';

describe('destinations that change', () => {
  const bytes = Buffer.alloc(CHUNK, 'x');
  const lines = [ROOT_LINE, `["f","a",${CHUNK},420,"0"]`, `["f","b",${CHUNK},420,"0"]`];

  test('a pull writes nothing through its destination when that is swapped for a link in the middle', async () => {
    let swap = (): void => undefined;
    const trap = await setTrap(
      (asked) => {
        if (asked.route?.endsWith('/chunks/1') === true) swap();
        return commits(asked);
      },
      { lines, chunks: [bytes, bytes] },
      { parallel: 1 },
    );
    const outside = path.join(path.dirname(trap.destination), 'sentinel-directory');
    mkdirSync(outside);
    swap = () => {
      swap = () => undefined;
      const [id] = readdirSync(path.join(trap.destination, '.cairn/staging'));
      renameSync(trap.destination, `${trap.destination}-moved`);
      // Whoever does this may even have made what is looked for.
      mkdirSync(path.join(outside, '.cairn/staging', id!), { recursive: true });
      symlinkSync(outside, trap.destination);
    };
    expect(await endOf(pull(trap.destination, trap.options))).toBe('symlink-refused');
    expect(
      readdirSync(outside, { recursive: true }).filter((name) => !String(name).startsWith('.cairn')),
    ).toEqual([]);
    const [id] = readdirSync(path.join(outside, '.cairn/staging'));
    expect(readdirSync(path.join(outside, '.cairn/staging', id!))).toEqual([]);
  });

  test('a pull writes nothing through its destination when that is swapped for a link before the commit', async () => {
    let outside = '';
    const trap = await setTrap(
      (asked) => {
        if (asked.route?.endsWith('/commit') === true && outside !== '') {
          renameSync(trap.destination, `${trap.destination}-moved`);
          symlinkSync(outside, trap.destination);
        }
        return commits(asked);
      },
      { lines, chunks: [bytes, bytes] },
    );
    outside = path.join(path.dirname(trap.destination), 'outside');
    mkdirSync(outside);
    expect(await endOf(pull(trap.destination, trap.options))).toMatch(/symlink-refused|not-found|storage-io/);
    expect(readdirSync(outside)).toEqual([]);
  });

  test('a pull writes nothing through a link that stands where a directory of the tree belongs', async () => {
    const trap = await setTrap(commits, {
      lines: [ROOT_LINE, '["d","sub",493,"0"]', `["f","sub/sentinel",${CHUNK},420,"0"]`],
      chunks: [bytes],
    });
    symlinkSync('..', path.join(trap.destination, 'sub'));
    expect(await pull(trap.destination, trap.options)).toMatchObject({ excluded: 2 });
    trap.expectNothingOutside();
    expect(lstatSync(path.join(trap.destination, 'sub')).isSymbolicLink()).toBe(true);
    expect(readFileSync(path.join(path.dirname(trap.destination), 'sentinel'), 'utf8')).toBe('as it was');
  });
});
