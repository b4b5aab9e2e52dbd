import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ChunkDigests } from '../../src/checkpoint/chunk-digests.ts';

const LIMIT = 2 ** 32;
const chunk = fc.oneof(
  fc.nat(50),
  fc.constantFrom(1023, 1024, LIMIT - 1),
  fc.integer({ min: 0, max: LIMIT - 1 }),
);
const digest = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

describe('chunk digests', () => {
  it.each([8, 32])('chunk digests act like a Map, and decode as they were encoded (%i bytes)', (length) => {
    const step = fc.tuple(chunk, fc.option(digest(length)));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const digests = new ChunkDigests(length);
        const model = new Map<number, Uint8Array>();
        for (const [number, bytes] of steps) {
          if (bytes === null) {
            digests.delete(number);
            model.delete(number);
          } else {
            digests.set(number, bytes);
            model.set(number, bytes);
          }
        }
        const encoded = JSON.parse(JSON.stringify(digests.encode())) as ReturnType<typeof digests.encode>;
        for (const each of [digests, ChunkDigests.decode(encoded, length, LIMIT)]) {
          expect([...each.chunks.values()]).toEqual([...model.keys()].toSorted((a, b) => a - b));
          for (const [number, bytes] of model) expect(each.get(number)).toEqual(bytes);
          for (const [number] of steps) expect(each.has(number)).toBe(model.has(number));
        }
      }),
    );
  });

  it('chunk digests keep copies and give copies', () => {
    const digests = new ChunkDigests(2);
    const bytes = Uint8Array.of(1, 2);
    digests.set(5, bytes);
    bytes[0] = 9;
    const got = digests.get(5) as Uint8Array;
    got[1] = 9;
    expect(digests.get(5)).toEqual(Uint8Array.of(1, 2));
    expect(digests.get(4)).toBeUndefined();
    expect(() => digests.set(1, Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'internal' }));
  });

  it.each([
    { runs: [0, 2], digests: 'AAA=' },
    { runs: [0, 1], digests: 'AAAA' },
    { runs: [0, 1], digests: 'AAA' },
    { runs: [0, 1], digests: 'AAB=' },
    { runs: [0, 1], digests: ' AAA=' },
    { runs: [0, 1], digests: '!!AAA=' },
    { runs: [10, 1], digests: 'AAA=' },
    { runs: [0, 1], digests: 7 as unknown as string },
    { runs: 'x' as unknown as number[], digests: '' },
  ])('chunk digests refuse the encoding %j', (encoded) => {
    expect(() => ChunkDigests.decode(encoded, 2, 10)).toThrow(
      expect.objectContaining({ code: 'invalid-request' }),
    );
  });
});
