/** Messages with long lists of runs, read as they come. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { createRunsReader } from '../../src/wire/runs-reader.ts';

interface Read {
  readonly lists: Record<string, number[]>;
  readonly others: Record<string, unknown>;
}

function read(text: string | Uint8Array, sizes: readonly number[] = [1 << 20]): Read {
  const sets = ['have', 'attributes'].map((name) => ({ name, ...ChunkSet.building(1000) }));
  const reader = createRunsReader(new Map(sets.map(({ name, add }) => [name, add])), 'the plan');
  const bytes = Buffer.from(text as string);
  for (let from = 0, turn = 0; from < bytes.length; turn++) {
    const to = from + sizes[turn % sizes.length]!;
    reader.push(bytes.subarray(from, to));
    from = to;
  }
  const others = reader.finish();
  return { others, lists: Object.fromEntries(sets.map(({ name, set }) => [name, set.runs()])) };
}

const members = fc.record({
  have: fc.uniqueArray(fc.nat(999)),
  attributes: fc.uniqueArray(fc.nat(999)),
  others: fc.dictionary(
    fc.string().filter((name) => !['have', 'attributes', '__proto__'].includes(name)),
    fc.jsonValue(),
    { noNullPrototype: true },
  ),
  isFirst: fc.boolean(),
  indent: fc.constantFrom(undefined, 1, '\t', '\r\n '),
  sizes: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }),
});

test('a message with runs reads like JSON.parse, in whatever pieces it comes', () => {
  fc.assert(
    fc.property(members, ({ have, attributes, others, isFirst, indent, sizes }) => {
      const runsOf = (chunks: number[]): number[] => {
        const set = new ChunkSet();
        for (const chunk of chunks) set.add(chunk);
        return set.runs();
      };
      const lists = { have: runsOf(have), attributes: runsOf(attributes) };
      const message = isFirst ? { ...lists, ...others } : { ...others, ...lists };
      const got = read(JSON.stringify(message, undefined, indent), sizes);
      expect(got.lists).toEqual(lists);
      expect(got.others).toEqual(JSON.parse(JSON.stringify(others)));
    }),
  );
});

describe('refused messages with runs', () => {
  test.each([
    ['that is no object', '[1,2]'],
    ['that is empty', ''],
    ['that is cut in a list', '{"have":[0,1'],
    ['that is cut behind a list', '{"have":[0,1],"attributes":[]'],
    ['that goes on behind its end', '{"have":[0,1],"attributes":[]}}'],
    ['without one of its lists', '{"have":[0,1]}'],
    ['with a list twice', '{"have":[0,1],"have":[5,1],"attributes":[]}'],
    ['with a list under a name in other characters', '{"have":[0,1],"attribute\\u0073":[]}'],
    ['with a list that is none', '{"have":[0,1],"attributes":{"0":1}}'],
    ['with a list in a list', '{"have":[[0,1]],"attributes":[]}'],
    ['with half a run', '{"have":[0,1,2],"attributes":[]}'],
    ['with a negative number', '{"have":[-1,1],"attributes":[]}'],
    ['with a fraction', '{"have":[0,1.5],"attributes":[]}'],
    ['with an exponent', '{"have":[0,1e2],"attributes":[]}'],
    ['with a leading zero', '{"have":[00,1],"attributes":[]}'],
    ['with a number of many digits', '{"have":[0,1234567890123456],"attributes":[]}'],
    ['with a text in a list', '{"have":["0",1],"attributes":[]}'],
    ['with two numbers and no comma', '{"have":[0 1],"attributes":[]}'],
    ['with two commas', '{"have":[0,,1],"attributes":[]}'],
    ['with a comma at the beginning', '{"have":[,0,1],"attributes":[]}'],
    ['with a comma at the end', '{"have":[0,1,],"attributes":[]}'],
    ['with runs that are not ascending', '{"have":[5,1,0,1],"attributes":[]}'],
    ['with runs that overlap', '{"have":[0,3,2,1],"attributes":[]}'],
    ['with an empty run', '{"have":[0,0],"attributes":[]}'],
    ['with a run beyond what there is', '{"have":[999,2],"attributes":[]}'],
    ['with much beside its lists', `{"have":[],"attributes":[],"x":"${'x'.repeat(70_000)}"}`],
    ['that is no UTF-8', Buffer.from('{"have":[],"attributes":[],"x":"\xff"}', 'latin1')],
  ])('a message with runs is refused %s', (_what, text) => {
    for (const sizes of [[1 << 20], [1]]) {
      expect(() => read(text, sizes)).toThrow(expect.objectContaining({ code: 'invalid-request' }));
    }
  });
});

test('a list of runs may be longer than any text that is kept', () => {
  const { set, add } = ChunkSet.building(2_000_000);
  const reader = createRunsReader(new Map([['entries', add]]), 'the request');
  reader.push(Buffer.from('{"entries":['));
  for (let entry = 0; entry < 2_000_000; entry += 2)
    reader.push(Buffer.from(`${entry === 0 ? '' : ','}${entry},1`));
  reader.push(Buffer.from(']}'));
  expect(reader.finish()).toEqual({});
  expect(set.size).toBe(1_000_000);
});
