import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBlocks, type BlockRange } from '../../src/manifest/read-blocks.ts';
import { noise } from '../suites/staged-transfer.ts';

const file = noise(2_000_000, 'file');

/** Reads blocks of a file that comes in pieces of so many bytes, and counts how often it is read. */
async function readAll(blocks: readonly BlockRange[], pieceBytes: number) {
  let reads = 0;
  async function* read(from: number, to: number): AsyncGenerator<Uint8Array> {
    reads += 1;
    const end = Math.min(to, file.length);
    for (let at = from; at < end; at += pieceBytes) yield file.subarray(at, Math.min(end, at + pieceBytes));
  }
  const all: Buffer[] = [];
  for await (const bytes of readBlocks(read, blocks)) all.push(Buffer.from(bytes));
  return { all, reads };
}

describe('blocks of a file', () => {
  it('blocks have the bytes of their ranges, in the order that they are asked for', async () => {
    const block = fc.record({
      offset: fc.nat(1_700_000),
      lengthBytes: fc.integer({ min: 1, max: 256 * 1024 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(block),
        fc.integer({ min: 1000, max: 1_000_000 }),
        async (blocks, pieceBytes) => {
          const { all } = await readAll(blocks, pieceBytes);
          const wanted = blocks.map(({ offset, lengthBytes }) => file.subarray(offset, offset + lengthBytes));
          expect(all.length).toBe(wanted.length);
          expect(wanted.every((bytes, index) => bytes.equals(all[index]!))).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('blocks are read at once where little lies between them, and apart where much does', async () => {
    const near = Array.from({ length: 10 }, (_, at) => ({ offset: at * 100_000, lengthBytes: 20_000 }));
    expect((await readAll(near, 65_536)).reads).toBe(1);
    const far = [0, 500_000, 400_000].map((offset) => ({ offset, lengthBytes: 20_000 }));
    expect((await readAll(far, 65_536)).reads).toBe(3);
  });

  it('blocks behind the end of a file are not given', async () => {
    const blocks = [1_900_000, 1_990_000, 0].map((offset) => ({ offset, lengthBytes: 20_000 }));
    expect((await readAll(blocks, 65_536)).all.map(({ length }) => length)).toEqual([20_000]);
  });
});
