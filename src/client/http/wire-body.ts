/** The bytes of a request body, cut as a socket likes them. */

/** Below this a piece is copied into a batch; Node's sockets take at least this much before they ask to wait. */
const SMALL_BYTES = 64 * 1024;
const BATCH_BYTES = 256 * 1024;
/** A piece is cut such that a slow line takes a part of it soon: only then can it be seen to move. */
const FIRST_SLICE_BYTES = 256 * 1024;
const LEAST_SLICE_BYTES = 64 * 1024;
const QUICK_MS = 20;

/**
 * Passes pieces on: small ones together, large ones as they are. The source may overwrite a piece once the next was asked
 * for: a large one has left the socket's queue by then, since a write of that size makes the writer wait for the drain;
 * a small one may still be in it and is therefore copied.
 *
 * @param payloadBytes how many of the first bytes are payload; what follows is the digest
 * @param onPayload told of payload bytes once the socket has taken them
 */
export async function* wireBody(
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  payloadBytes: number,
  onPayload: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  let batch: Buffer | undefined;
  let used = 0;
  let payloadLeft = payloadBytes;
  let sliceBytes = FIRST_SLICE_BYTES;
  const taken = (bytes: number): void => {
    const payload = Math.min(bytes, payloadLeft);
    payloadLeft -= payload;
    if (payload > 0) onPayload(payload);
  };
  for await (const piece of pieces) {
    const isSmall = piece.byteLength < SMALL_BYTES;
    if (used > 0 && (!isSmall || used + piece.byteLength > BATCH_BYTES)) {
      yield batch!.subarray(0, used);
      taken(used);
      used = 0;
    }
    if (isSmall) {
      batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
      batch.set(piece, used);
      used += piece.byteLength;
    } else {
      for (let from = 0; from < piece.byteLength;) {
        const slice = sliceOf(piece, from, sliceBytes);
        const beganMs = performance.now();
        yield slice;
        taken(slice.byteLength);
        from += slice.byteLength;
        sliceBytes = performance.now() - beganMs < QUICK_MS ? sliceBytes * 2 : LEAST_SLICE_BYTES;
      }
    }
  }
  if (used > 0) {
    yield batch!.subarray(0, used);
    taken(used);
  }
}

/** The next slice of a piece; what would be left of less than the smallest goes with it, or the socket would not wait. */
function sliceOf(piece: Uint8Array, from: number, bytes: number): Uint8Array {
  const end = from + bytes;
  return piece.subarray(from, piece.byteLength - end < LEAST_SLICE_BYTES ? piece.byteLength : end);
}
