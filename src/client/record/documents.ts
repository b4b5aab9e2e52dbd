/** Manifests and identities as bytes: what is sent, and what is kept beside a transfer's record. */
import { CairnError } from '../../base/errors.ts';
import type { Identity } from '../../manifest/entry.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { encodeTree, readTree, type Notice } from '../../protocol/tree-stream.ts';
import type { RequestBody } from '../http/connection.ts';

const PIECE_BYTES = 256 * 1024;
const LINES_PER_BATCH = 512;

/** A tree as it goes over the wire and into a file. */
export function encodeManifestBytes(manifest: Manifest, notices: readonly Notice[]): Buffer {
  return Buffer.concat(Array.from(encodeTree(manifest, notices), (text) => Buffer.from(text)));
}

/** The request body of an encoded tree. */
export function treeBody(bytes: Uint8Array): RequestBody {
  return { type: 'application/x-ndjson', lengthBytes: bytes.byteLength, pieces: slices(bytes) };
}

/** Bytes in pieces that a slow line can take one by one. */
export function* slices(bytes: Uint8Array, pieceBytes = PIECE_BYTES): Generator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** Reads what {@link encodeManifestBytes} wrote. Undefined for damage. */
export async function decodeManifestBytes(source: AsyncIterable<Uint8Array>): Promise<Manifest | undefined> {
  try {
    return (await readTree(source)).manifest;
  } catch (error) {
    // Whoever kept it starts over without it.
    if (
      error instanceof CairnError &&
      (error.code === 'manifest-invalid' || error.code === 'chunk-incomplete')
    )
      return undefined;
    throw error;
  }
}

/** Identities as lines of JSON, in the order of the manifest. */
export function encodeIdentities(identities: readonly Identity[]): Buffer {
  const batches: Buffer[] = [];
  for (let at = 0; at < identities.length; at += LINES_PER_BATCH) {
    const lines = identities
      .slice(at, at + LINES_PER_BATCH)
      .map((identity) => `${JSON.stringify(identity)}\n`);
    batches.push(Buffer.from(lines.join('')));
  }
  return Buffer.concat(batches);
}

/** Reads what {@link encodeIdentities} wrote. Undefined for damage. */
export function decodeIdentities(bytes: Uint8Array): Identity[] | undefined {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString().split('\n');
  if (lines.pop() !== '') return undefined;
  try {
    return lines.map((line) => JSON.parse(line) as Identity);
  } catch {
    return undefined; // whoever kept it starts over without it
  }
}
