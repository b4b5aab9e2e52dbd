/** The bytes of a request body, cut as a socket likes them. */

/** Below this a piece is copied into a batch; Node's sockets take at least this much before they ask to wait. */
const SMALL_BYTES = 64 * 1024;
const BATCH_BYTES = 256 * 1024;

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
      yield piece;
      taken(piece.byteLength);
    }
  }
  if (used > 0) {
    yield batch!.subarray(0, used);
    taken(used);
  }
}
