import { CairnError } from '../base/errors.ts';

/**
 * The refusal of bytes of a chunk that do not begin at 0 or where the bytes that are there end: `chunk-offset-mismatch`.
 * On the wire `bytesThere` is called `heldBytes`.
 */
export function offsetMismatch(
  chunk: number,
  bytesThere: number,
  message = `chunk ${chunk} goes on at byte ${bytesThere}`,
): CairnError {
  return new CairnError('chunk-offset-mismatch', message, { details: { chunk, heldBytes: bytesThere } });
}
