import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePlacedToml, type PlacedToml } from '../../../../src/cli/commands/job/placed-toml.ts';

type Value = string | number | boolean | Value[] | { [key: string]: Value };

const key = fc.string({ minLength: 1, maxLength: 8 });
const { value } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(key, tie('value'), { maxKeys: 3 }),
  ),
}));

/** JSON strings are strings of TOML, but for one character. */
const quoted = (text: string): string => JSON.stringify(text).replaceAll('\u007f', String.raw`\u007f`);

/** A value as it is written in one line. */
function inline(given: Value): string {
  if (typeof given === 'string') return quoted(given);
  if (Array.isArray(given)) return `[${given.map(inline).join(', ')}]`;
  if (typeof given === 'object')
    return `{ ${Object.entries(given)
      .map(([name, each]) => `${quoted(name)} = ${inline(each)}`)
      .join(', ')} }`;
  return String(given);
}

/** Without prototypes of its own, to be compared. */
const plain = (given: unknown): unknown => JSON.parse(JSON.stringify(given));

function parsed(text: string): PlacedToml {
  const toml = parsePlacedToml(text);
  if (!('root' in toml)) throw new Error(`${toml.line}:${toml.column}: ${toml.message}`);
  return toml;
}

describe('TOML with places', () => {
  it('the parser of TOML gives the values that were written, and the place of each key and value', () => {
    const tables = fc.dictionary(key, fc.dictionary(key, value, { maxKeys: 4 }), { maxKeys: 3 });
    fc.assert(
      fc.property(tables, fc.nat({ max: 4 }), (given, indent) => {
        const pad = ' '.repeat(indent);
        const text = Object.entries(given).map(([name, table]) => {
          const pairs = Object.entries(table).map(([each, of]) => `${pad}${quoted(each)} = ${inline(of)}\n`);
          return `[t.${quoted(name)}]\n${pairs.join('')}`;
        });
        const toml = parsed(text.join(''));
        expect(plain(toml.root['t'] ?? {})).toEqual(plain(given));
        const lines = text.join('').split('\n');
        for (const [name, table] of Object.entries(given))
          for (const [each, of] of Object.entries(table)) {
            const atKey = toml.placeOfKey(['t', name, each]);
            expect(lines[atKey.line - 1]!.slice(atKey.column - 1)).toMatch(/^"/);
            expect(lines[atKey.line - 1]!.slice(atKey.column - 1).startsWith(quoted(each))).toBe(true);
            const atValue = toml.placeOf(['t', name, each]);
            expect(lines[atValue.line - 1]!.slice(atValue.column - 1)).toBe(inline(of));
          }
      }),
    );
  });

  it('the parser of TOML tells the place of a mistake for any text, and never throws', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('[', ']', '=', '"', '\n', 'a', '.', '{', '}', ',', '1', '#') }),
        (text) => {
          const toml = parsePlacedToml(text);
          if ('root' in toml) return;
          const lines = text.split('\n');
          expect(toml.line).toBeGreaterThan(0);
          expect(toml.line).toBeLessThanOrEqual(lines.length);
          expect(toml.column).toBeGreaterThan(0);
          expect(toml.column).toBeLessThanOrEqual(lines[toml.line - 1]!.length + 1);
        },
      ),
    );
  });

  it('the parser of TOML answers the place of what surrounds a value that is not there', () => {
    const toml = parsed('[a]\nb = { c = 1 }\n[[d]]\ne.f = 2');
    expect(toml.placeOf(['a', 'b', 'missing'])).toEqual({ line: 2, column: 5 });
    expect(toml.placeOf(['d', 0, 'e', 'f'])).toEqual({ line: 4, column: 7 });
    expect(toml.placeOfKey(['d', 0, 'e', 'f'])).toEqual({ line: 4, column: 3 });
    expect(toml.placeOf(['x'])).toEqual({ line: 1, column: 1 });
    expect(plain(toml.root)).toEqual({ a: { b: { c: 1 } }, d: [{ e: { f: 2 } }] });
  });
});
