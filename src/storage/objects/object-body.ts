/** The bytes of objects: checked on their way into a store, and read whole. */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { ObjectBody, OpenObject } from './object-store.ts';

/** Number of bytes of a body. */
export function sizeOf(body: ObjectBody): number {
  return body instanceof Uint8Array ? body.byteLength : body.sizeBytes;
}

/**
 * Yields a body piece by piece, and throws where its size or digest is not the stated one.
 *
 * @throws CairnError `storage-unsupported`, `digest-mismatch`, `internal` as `ObjectStore.put`; the errors of the body
 */
export async function* checkedBody(
  body: ObjectBody,
  { sha256, maxBytes }: { sha256: string | undefined; maxBytes: number },
): AsyncGenerator<Uint8Array> {
  const sizeBytes = sizeOf(body);
  if (sizeBytes > maxBytes) {
    const message = `an object of ${sizeBytes} bytes is larger than the ${maxBytes} that the store takes`;
    throw new CairnError('storage-unsupported', message, { details: { sizeBytes, maxBytes } });
  }
  const hash = sha256 === undefined ? undefined : createHash('sha256');
  let bytes = 0;
  for await (const piece of body instanceof Uint8Array ? [body] : body.open()) {
    bytes += piece.byteLength;
    if (bytes > sizeBytes) break;
    hash?.update(piece);
    yield piece;
  }
  if (bytes !== sizeBytes) {
    throw new CairnError(
      'internal',
      `a body of ${sizeBytes} bytes had ${bytes > sizeBytes ? 'more' : bytes}`,
    );
  }
  if (hash !== undefined && hash.digest('hex') !== sha256) throw otherBytes();
}

/** The SHA-256 of a body, 64 hex digits, by reading it once. @throws CairnError as {@link checkedBody} */
export async function digestOfBody(
  body: ObjectBody,
  { sha256, maxBytes }: { sha256: string | undefined; maxBytes: number },
): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of checkedBody(body, { sha256: undefined, maxBytes })) hash.update(piece);
  const digest = hash.digest('hex');
  if (sha256 !== undefined && digest !== sha256) throw otherBytes();
  return digest;
}

function otherBytes(): CairnError {
  const message = 'the bytes of an object are not those of its SHA-256; nothing was stored';
  return new CairnError('digest-mismatch', message);
}

/** All bytes of an open object. */
export async function bytesOfObject({ bytes }: Pick<OpenObject, 'bytes'>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // The store may reuse the memory of a piece.
  for await (const piece of bytes) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
