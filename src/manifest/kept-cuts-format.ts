/**
 * Recipes as they are kept in a file: a line of JSON that says of what, the records of the blocks, the checks where they are
 * known, and the SHA-256 of all before it.
 */
import { createHash } from 'node:crypto';
import { decodeRecipe, encodeBlocks } from './cut-codec.ts';
import { BLOCK_ID_BYTES } from './cut-ids.ts';
import type { DigestAlgorithm } from './digest.ts';
import { checksOf } from './file-checks.ts';
import { checkLengths } from './parts-document.ts';
import type { Recipe } from './recipe.ts';

/** A file in blocks. */
export interface Cuts {
  readonly recipe: Recipe;
  /** The ids by which the file is proved once it is assembled; missing where nobody computed them. */
  readonly checks?: Recipe | undefined;
}

/** What cuts are kept of. */
export interface CutSubject {
  /** What no other bytes have: the identity of a file. */
  readonly name: string;
  readonly digest: DigestAlgorithm;
  readonly sizeBytes: number;
}

const SUM_BYTES = 32;

function headOf({ name, digest, sizeBytes }: CutSubject, checksBytes: number): Buffer {
  return Buffer.from(`${JSON.stringify(['cairn-cuts', 1, digest, sizeBytes, checksBytes, name])}\n`);
}

/** The bytes of a file with cuts. */
export function encodeCuts(subject: CutSubject, { recipe, checks }: Cuts): Buffer {
  const ids = checks?.blocks.ids ?? Buffer.alloc(0);
  const body = Buffer.concat([headOf(subject, ids.byteLength), encodeBlocks(recipe), ids]);
  return Buffer.concat([body, createHash('sha256').update(body).digest()]);
}

/** Reads such a file; undefined where it is damaged, or of something else. */
export function decodeCuts(bytes: Buffer, subject: CutSubject): Cuts | undefined {
  const idBytes = BLOCK_ID_BYTES[subject.digest];
  const body = bytes.subarray(0, Math.max(0, bytes.byteLength - SUM_BYTES));
  if (!createHash('sha256').update(body).digest().equals(bytes.subarray(body.byteLength))) return undefined;
  const withChecks = checkLengths(subject.sizeBytes).length * idBytes;
  for (const checksBytes of [withChecks, 0]) {
    const head = headOf(subject, checksBytes);
    if (!body.subarray(0, head.byteLength).equals(head)) continue;
    const end = body.byteLength - checksBytes;
    const recipe = decodeRecipe(body.subarray(head.byteLength, end), subject.sizeBytes, idBytes);
    return { recipe, checks: checksOf(body.subarray(end), subject.sizeBytes, idBytes) };
  }
  return undefined;
}
