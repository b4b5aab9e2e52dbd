/** Encodings that this runtime has, for tests of each; what it lacks is skipped aloud. */
import { test } from 'vitest';
import { CHUNK_ENCODINGS, type ChunkEncoding } from '../../src/session/encoding.ts';
import { OWN_ENCODINGS } from '../../src/transfer/zlib-pump.ts';

for (const encoding of CHUNK_ENCODINGS) {
  const isThere = OWN_ENCODINGS.includes(encoding);
  test.skipIf(isThere)(`${encoding} is part of this runtime, or its tests are skipped`, ({ skip }) =>
    skip(`Node ${process.version} has no ${encoding}`),
  );
}

/** The encodings of this runtime. */
export const ENCODINGS: readonly ChunkEncoding[] = OWN_ENCODINGS;

/** Text that shrinks to about a quarter, and never repeats as a whole. */
export function textOf(bytes: number): Buffer {
  let state = 88_172_645;
  const lines: string[] = [];
  for (let length = 0; length < bytes;) {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    const line = `${new Date(state * 1000).toISOString()} worker ${state % 97} took chunk ${state % 5003} of a tree\n`;
    lines.push(line);
    length += line.length;
  }
  return Buffer.from(lines.join('')).subarray(0, bytes);
}
