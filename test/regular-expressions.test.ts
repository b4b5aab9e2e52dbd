/** No regular expression of the sources takes more than linear time, whatever text it is given. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseSync, Visitor } from 'oxc-parser';
import { analyse } from 'scslre';
import { describe, expect, test } from 'vitest';

const SRC = path.resolve(import.meta.dirname, '../src');

interface Expression {
  readonly pattern: string;
  readonly flags: string;
}

/** The literals of a source, and where it makes expressions of texts. */
function expressionsOf(file: string, text: string): { literals: Expression[]; made: number } {
  const literals: Expression[] = [];
  let made = 0;
  const { program, errors } = parseSync(file, text);
  expect(errors).toEqual([]);
  const makes = (callee: object): void => {
    if ('name' in callee && callee.name === 'RegExp') made += 1;
  };
  new Visitor({
    Literal: (node) => {
      if ('regex' in node) literals.push({ pattern: node.regex.pattern, flags: node.regex.flags });
    },
    NewExpression: ({ callee }) => makes(callee),
    CallExpression: ({ callee }) => makes(callee),
  }).visit(program);
  return { literals, made };
}

/**
 * Why an expression may go over the same text again and again; empty where it does not. The analysis finds what one
 * repeated character does to it; two rules of our own stand for the rest.
 */
function faultsOf({ pattern, flags }: Expression): string[] {
  const faults = analyse({ source: pattern, flags }).reports.map(
    ({ type, exponential }) => `${exponential ? 'exponential' : 'polynomial'} (${type})`,
  );
  // What stands in a class of characters repeats nothing.
  const outside = pattern.replaceAll(/\\.|\[(?!\^\])(?:[^\]\\]|\\.)+\]/g, (part) =>
    part.length === 2 ? part : 'c',
  );
  // A try that fails after a long way ends in a short match, and the next one begins right behind that.
  if (/[gy]/.test(flags) && /(?<!\\)\)(?:[*+]|\{\d+,\d*\})/.test(outside))
    faults.push('a repeated group with g or y');
  // Each place where it could begin may be followed to the end.
  if (!/^(?:\(\?:)?\^/.test(pattern) && /(?:(?<!\\)\.|\[\^\]|\\[DSW])[*+]/.test(outside))
    faults.push('anything repeated, and not anchored');
  return faults;
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => ({ file, ...expressionsOf(file, readFileSync(path.join(SRC, file), 'utf8')) }));

test('every regular expression of the sources is linear in the length of the text', () => {
  const faults = sources.flatMap(({ file, literals }) =>
    literals.flatMap((literal) =>
      faultsOf(literal).map((fault) => `${file}: /${literal.pattern}/${literal.flags} is ${fault}`),
    ),
  );
  expect(faults).toEqual([]);
  expect(sources.flatMap(({ literals }) => literals).length).toBeGreaterThan(100);
});

test('no regular expression is made of a text, where nothing could look at it', () => {
  expect(sources.filter(({ made }) => made > 0).map(({ file }) => file)).toEqual([]);
});

describe('the check finds what goes back over its text', () => {
  test.each([
    [/(?:[^",]|"(?:[^"\\]|\\.)*")+/g],
    [/^\s*for\s*=\s*(.*?)\s*$/i],
    [/%.*$/],
    [/\s+$/],
    [/^(a+)+$/],
    [/<[^>]*>/],
    [/\/\*.*\*\//s],
    [/\B(?=(?:\d{3})+$)/g],
  ])('%s', ({ source, flags }) => {
    expect(faultsOf({ pattern: source, flags })).not.toEqual([]);
  });

  test.each([[/^[0-9a-f]{64}$/], [/<([^<>]*)>\s*;\s*rel="x"/], [/[\w.-]{32,}/g], [/^a(?: a)*$/]])(
    'and takes %s as it is',
    ({ source, flags }) => {
      expect(faultsOf({ pattern: source, flags })).toEqual([]);
    },
  );
});
