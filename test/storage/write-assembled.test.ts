import {
  closeSync,
  constants,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type SourceRange, writeAssembled } from '../../src/storage/disk/publish/write-assembled.ts';
import { noise } from '../suites/staged-transfer.ts';

const MIB = 1024 * 1024;
const SIZE = 3 * MIB;
const folder = mkdtempSync(path.join(tmpdir(), 'cairn-assembled-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);
const OLD = noise(SIZE, 'old');
OLD.fill(0, 100_000, 300_000);
const STAGED = noise(SIZE, 'staged');
writeFileSync(at('old'), OLD);
writeFileSync(at('staged'), STAGED);

/** A range: of the old file, of the staged one, or of the old file at the same place. */
type Wanted = readonly [kind: 'old' | 'staged' | 'kept', from: number, lengthBytes: number];

/** The new file as it has to be; a range that is kept lies where it lay. */
function expected(wanted: readonly Wanted[]): Buffer {
  let end = 0;
  const pieces = wanted.map(([kind, from, lengthBytes]) => {
    const start = kind === 'kept' ? end : from;
    end += lengthBytes;
    return (kind === 'staged' ? STAGED : OLD).subarray(start, start + lengthBytes);
  });
  return Buffer.concat(pieces);
}

interface Outcome {
  readonly bytes: number | undefined;
  readonly written: Buffer;
  readonly seen: Buffer;
}

/** Writes a file that begins as the old one where something of that is kept. */
async function write(
  wanted: readonly Wanted[],
  { isSparse = false, stopAt = Infinity }: { isSparse?: boolean; stopAt?: number } = {},
): Promise<Outcome> {
  const isCloned = wanted.some(([kind]) => kind === 'kept');
  writeFileSync(at('new'), isCloned ? OLD : '');
  const fds = { old: openSync(at('old'), 'r'), staged: openSync(at('staged'), 'r') };
  const fd = openSync(at('new'), constants.O_RDWR);
  const seen: Buffer[] = [];
  let end = 0;
  const ranges = wanted.map(([kind, from, lengthBytes]): SourceRange => {
    const start = end;
    end += lengthBytes;
    return kind === 'kept'
      ? { fd, from: start, lengthBytes, isInPlace: true }
      : { fd: fds[kind], from, lengthBytes, isInPlace: false };
  });
  const check = (piece: Uint8Array): boolean => seen.push(Buffer.from(piece)) < stopAt;
  const bytes = await writeAssembled(fd, ranges, { isSparse, check });
  if (bytes !== undefined) ftruncateSync(fd, bytes);
  for (const each of [fd, fds.old, fds.staged]) closeSync(each);
  return { bytes, written: readFileSync(at('new')), seen: Buffer.concat(seen) };
}

const rangesOf = (...kinds: Wanted[0][]): fc.Arbitrary<Wanted[]> =>
  fc.array(
    fc.tuple(
      fc.constantFrom(...kinds),
      fc.nat(SIZE - 300_000),
      fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 300_000 })),
    ),
    { maxLength: 10 },
  );

describe('assembled files', () => {
  it.each([
    ['in a new file', false, rangesOf('old', 'staged')],
    ['in a new file with holes', true, rangesOf('old', 'staged')],
    ['in one that begins as the old one', false, rangesOf('old', 'staged', 'kept')],
  ])(
    'an assembled file has its ranges in order, and each byte is checked once: %s',
    async (_, isSparse, ranges) => {
      await fc.assert(
        fc.asyncProperty(ranges, async (wanted) => {
          const file = expected(wanted);
          const { bytes, written, seen } = await write(wanted, { isSparse });
          expect([bytes, written.equals(file), seen.equals(file)]).toEqual([file.length, true, true]);
        }),
        { numRuns: 30 },
      );
    },
  );

  it('an assembled file takes ranges that are longer than the buffers', async () => {
    const wanted: Wanted[] = [
      ['old', 5, SIZE - 5],
      ['staged', 0, SIZE],
      ['old', 0, SIZE],
    ];
    const { bytes, written } = await write(wanted);
    expect([bytes, written.equals(expected(wanted))]).toEqual([3 * SIZE - 5, true]);
  });

  it('an assembled file has holes for long runs of zeros where it is to be sparse', async () => {
    await write([['old', 0, SIZE]], { isSparse: true });
    expect(statSync(at('new')).blocks * 512).toBeLessThanOrEqual(SIZE - 190_000);
  });

  it('an assembled file ends early where a source has not got all of a range', async () => {
    const { bytes, written } = await write([
      ['staged', 0, 70_000],
      ['old', SIZE - 10, 100],
      ['staged', 0, 70_000],
    ]);
    expect([bytes, written.length]).toEqual([70_010, 70_010]);
  });

  it('an assembled file is not written to its end once a piece fails its check', async () => {
    const { bytes, written } = await write([['old', 0, SIZE]], { stopAt: 2 });
    expect(bytes).toBeUndefined();
    expect(written.length).toBeLessThan(SIZE);
  });

  it('an assembled file fails with the error of a source that cannot be read', async () => {
    writeFileSync(at('new'), '');
    const fd = openSync(at('new'), constants.O_RDWR);
    const source = openSync(folder, 'r');
    const ranges = [{ fd: source, from: 0, lengthBytes: SIZE, isInPlace: false }];
    const writing = writeAssembled(fd, ranges, { isSparse: false, check: () => true });
    await expect(writing).rejects.toMatchObject({ code: 'EISDIR' });
    for (const each of [fd, source]) closeSync(each);
  });
});
