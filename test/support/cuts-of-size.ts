/** Recipes without files. */
import { BLOCK_ID_BYTES } from '../../src/manifest/cut-ids.ts';
import type { DigestAlgorithm } from '../../src/manifest/digest.ts';
import { checksOf } from '../../src/manifest/file-checks.ts';
import type { Cuts } from '../../src/manifest/kept-cuts-format.ts';
import { checkLengths } from '../../src/manifest/parts-document.ts';
import { noise } from '../suites/staged-transfer.ts';

/** Cuts of a file with blocks of these lengths, which nobody has. */
export function cutsOfSize(digest: DigestAlgorithm, blocks: readonly number[], seed = ''): Cuts {
  const idBytes = BLOCK_ID_BYTES[digest];
  const sizeBytes = blocks.reduce((sum, length) => sum + length, 0);
  const ids = noise(blocks.length * idBytes, `ids ${seed}`);
  const checks = noise(checkLengths(sizeBytes).length * idBytes, `checks ${seed}`);
  return {
    recipe: { sizeBytes, blocks: { count: blocks.length, lengths: Uint32Array.from(blocks), ids, idBytes } },
    checks: checksOf(checks, sizeBytes, idBytes),
  };
}
