import { closeSync, fstatSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { writeSparselySync, zeroRuns } from '../../src/base/zero-runs.ts';

/** Bytes with long runs of zeros and of others. */
const bytes = fc
  .array(fc.tuple(fc.constantFrom(0, 7), fc.nat(10_000)), { maxLength: 8 })
  .map((runs) => Buffer.concat(runs.map(([value, length]) => Buffer.alloc(length, value))));

it('runs of a piece cover it in order, and a run of zeros has only zeros', () => {
  fc.assert(
    fc.property(bytes, fc.nat(20_000), (piece, position) => {
      let end = 0;
      for (const { from, to, isZero } of zeroRuns(piece, position)) {
        expect(from).toBe(end);
        end = to;
        if (isZero) expect(piece.subarray(from, to).every((byte) => byte === 0)).toBe(true);
        else expect(piece.subarray(from, to).some((byte) => byte !== 0)).toBe(true);
      }
      expect(end).toBe(piece.byteLength);
    }),
  );
});

it('a file that is written without its zeros has the same bytes, and takes less room', () => {
  const home = mkdtempSync(join(tmpdir(), 'cairn-zero-'));
  const fd = openSync(join(home, 'file'), 'w');
  const content = Buffer.concat([Buffer.alloc(1 << 20), Buffer.alloc(100, 1), Buffer.alloc((1 << 20) + 13)]);
  let at = 0;
  for (let from = 0; from < content.byteLength; from += 65_537)
    at += writeSparselySync(fd, content.subarray(from, from + 65_537), from);
  ftruncateSync(fd, at);
  expect(readFileSync(join(home, 'file')).equals(content)).toBe(true);
  expect(fstatSync(fd).blocks * 512).toBeLessThanOrEqual(16_384);
  closeSync(fd);
  rmSync(home, { recursive: true });
});
