import { describe, expect, it } from 'vitest';
import { xxh64 } from '../../fixtures/wire/xxh64.js';
import { loadCutIds } from '../../src/manifest/cut-ids.ts';
import { DIGEST_ALGORITHMS } from '../../src/manifest/digest.ts';
import { compareChecks, createCheckMaker } from '../../src/manifest/file-checks.ts';
import { CHECK_BYTES, checkLengths } from '../../src/manifest/parts-document.ts';
import type { Recipe } from '../../src/manifest/recipe.ts';

const ids = { xxh64: await loadCutIds('xxh64'), sha256: await loadCutIds('sha256') };
const FILE = Buffer.alloc(CHECK_BYTES + 50_000, 'some bytes of a file');

function checksOf(file: Buffer, algorithm: 'xxh64' | 'sha256'): Recipe {
  const maker = createCheckMaker(ids[algorithm], file.length);
  for (let at = 0; at < file.length; at += 1_000_003) maker.update(file.subarray(at, at + 1_000_003));
  return maker.finish();
}

/** Whether a file agrees with its checks, in pieces of so many bytes. */
function agrees(checks: Recipe, file: Buffer, pieceBytes: number): boolean {
  const comparison = compareChecks(checks, ids.xxh64);
  for (let at = 0; at < file.length; at += pieceBytes) {
    if (!comparison.update(file.subarray(at, at + pieceBytes))) return false;
  }
  return comparison.isWhole();
}

describe('checks of files', () => {
  it('the checks of a file are XXH64 with seed 1 of each 64 MiB and of the rest, or SHA-256', () => {
    const { blocks } = checksOf(FILE, 'xxh64');
    expect([...blocks.lengths]).toEqual([CHECK_BYTES, 50_000]);
    expect(blocks.ids.subarray(8).toString('hex')).toBe(xxh64(FILE.subarray(CHECK_BYTES), 1n));
    expect(checksOf(FILE.subarray(0, 99), 'sha256').blocks.ids).toHaveLength(32);
  });

  it.each(DIGEST_ALGORITHMS)(
    'the checks of a file have the lengths of a document of parts: %s',
    (algorithm) => {
      const small = FILE.subarray(0, 2_000_000);
      expect(checksOf(small, algorithm).blocks.lengths).toEqual(checkLengths(small.length));
    },
  );

  it('the checks of a file agree with that file alone, in whatever pieces it comes', () => {
    const checks = checksOf(FILE, 'xxh64');
    const changed = Buffer.from(FILE);
    changed[CHECK_BYTES - 1]! ^= 1;
    expect([agrees(checks, FILE, 7_000_001), agrees(checks, FILE, CHECK_BYTES)]).toEqual([true, true]);
    expect(agrees(checks, changed, 7_000_001)).toBe(false);
    expect(agrees(checks, FILE.subarray(0, -1), 7_000_001)).toBe(false);
    expect(agrees(checks, Buffer.concat([FILE, Buffer.alloc(1)]), 7_000_001)).toBe(false);
  });
});
