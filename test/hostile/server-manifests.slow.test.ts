/** What a hostile server says is in a tree: nothing of it lands outside of the destination. */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { list } from '../../src/client/list.ts';
import { pull } from '../../src/client/pull.ts';
import { memoryGrowth } from './support/raw.ts';
import { CHUNK, commits, endOf, setTrap, tree } from './support/liar.ts';

const ROOT_LINE = '["d","",493,"0"]';

describe('trees', () => {
  test.each([
    ['path-unsafe', ['["f","../evil",1,420,"0"]']],
    ['path-unsafe', ['["f","a/../../evil",1,420,"0"]']],
    ['path-unsafe', ['["f","/tmp/evil",1,420,"0"]']],
    ['path-unsafe', ['["f","..",1,420,"0"]']],
    ['path-unsafe', ['["f","a/",1,420,"0"]']],
    ['path-unsafe', ['["f","a\\u0000/../../evil",1,420,"0"]']],
    ['path-reserved', [ROOT_LINE, '["d",".cairn",493,"0"]', '["f",".cairn/lock",1,420,"0"]']],
    ['path-reserved', [ROOT_LINE, '["d","a",493,"0"]', '["d","a/.cairn",493,"0"]']],
    ['manifest-invalid', [ROOT_LINE, '["l","a","..","0"]', '["f","a/evil",1,420,"0"]']],
    ['manifest-invalid', [ROOT_LINE, '["d","a",493,"0"]', '["l","a","..","0"]', '["f","a/evil",1,420,"0"]']],
    ['manifest-invalid', [ROOT_LINE, '["f","a",1,420,"0"]', '["f","a",2,420,"0"]']],
    ['manifest-invalid', [ROOT_LINE, '["f","b",1,420,"0"]', '["f","a",1,420,"0"]']],
    ['manifest-invalid', ['["l","","..","0"]', '["f","evil",1,420,"0"]']],
    ['manifest-invalid', ['["s","",420,"0"]']],
    ['manifest-invalid', [`["f","a",${2 ** 60},420,"0"]`]],
    ['manifest-too-large', [`["f","a",${2 ** 53 - 1},420,"0"]`]],
    ['manifest-too-large', [`["f","a",${CHUNK * 1_000_000_000},420,"0"]`]],
    ['manifest-invalid', ['["f","a",1,35309,"0"]']],
  ])('a pull refuses a tree with %s for %j', async (code, lines) => {
    const trap = await setTrap(() => false, { lines });
    expect(await endOf(pull(trap.destination, trap.options))).toBe(code);
    expect(readdirSync(trap.destination)).toEqual([]);
    trap.expectNothingOutside();
  });

  test('a pull of names that differ in case or normal form makes only these names in the destination', async () => {
    const names = [
      'A',
      'a',
      'e\u0301',
      '\u00e9',
      '.Cairn',
      '.CAIRN',
      '\u2024\u2024',
      '‥',
      'a\\..\\b',
      '~',
      '-rf',
      'CON',
    ];
    const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const lines = [ROOT_LINE, ...sorted.map((name) => JSON.stringify(['f', name, 0, 420, '0']))];
    const trap = await setTrap(commits, { lines });
    await pull(trap.destination, trap.options).catch(() => undefined);
    trap.expectNothingOutside();
    const there = readdirSync(trap.destination).filter((name) => name !== '.cairn');
    expect(there.every((name) => names.includes(name))).toBe(true);
  });

  test('a pull publishes links that point outside as links, and a later pull writes nothing through them', async () => {
    const links = await setTrap(commits, {
      lines: [ROOT_LINE, '["l","a","..","0"]', '["l","b","../sentinel","0"]'],
    });
    await pull(links.destination, links.options);
    expect(readdirSync(links.destination)).toEqual(['a', 'b']);
    const body = Buffer.from('overwritten');
    const through = await setTrap(commits, {
      lines: [ROOT_LINE, '["d","a",493,"0"]', `["f","a/sentinel",${body.length},420,"0"]`],
      chunks: [body],
    });
    expect(await pull(links.destination, through.options)).toMatchObject({ excluded: 2 });
    links.expectNothingOutside();
    expect(readdirSync(links.destination)).toEqual(['a', 'b']);
    // A file takes the place of the link, and is not written to where that points.
    const instead = await setTrap(commits, {
      lines: [ROOT_LINE, `["f","b",${body.length},420,"0"]`],
      chunks: [body],
    });
    await pull(links.destination, instead.options).catch(() => undefined);
    links.expectNothingOutside();
  });

  test('a client gives up a tree of endless entries, notices, lines or bytes', async () => {
    let number = 0;
    const floods: [string, () => string, string][] = [
      ['manifest-too-large', () => `["f","${String(number++).padStart(9, '0')}",0,420,"0"]\n`, 'entries'],
      ['manifest-too-large', () => `["w","source-missing","${'x'.repeat(60_000)}","gone"]\n`, 'notices'],
      ['manifest-invalid', () => '\n', 'empty lines'],
      ['manifest-invalid', () => 'x'.repeat(10_000), 'a line without an end'],
    ];
    for (const [code, piece, what] of floods) {
      const trap = await setTrap(({ route, response }) => {
        if (route?.startsWith('tree') !== true) return false;
        response.writeHead(200);
        response.write(
          `["cairn-manifest",1,${CHUNK},"xxh64"]\n${what === 'entries' ? '' : `${ROOT_LINE}\n`}`,
        );
        const more = (): void => {
          for (;;) {
            if (response.destroyed) return;
            const text = Array.from({ length: what === 'notices' ? 20 : 2000 }, piece).join('');
            if (!response.write(text)) break;
          }
          response.once('drain', more);
        };
        more();
        return true;
      });
      const growth = await memoryGrowth(async () => {
        expect([what, await endOf(list(trap.options, { recursive: true }), 60_000)]).toEqual([what, code]);
      });
      expect([what, growth < 1800]).toEqual([what, true]);
    }
  });
});

test('a pull refuses a tree whose id is a lie', async () => {
  const { text } = tree([ROOT_LINE]);
  const trap = await setTrap(({ route, response }) => {
    if (route?.endsWith('/manifest') !== true) return false;
    response.writeHead(200).end(text.replace(/"end","./, '"end","x'));
    return true;
  });
  expect(await endOf(pull(trap.destination, trap.options))).toBe('manifest-invalid');
});
