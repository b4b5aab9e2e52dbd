/** The request body that sends a tree. */
import type { Manifest } from '../../manifest/manifest.ts';
import { encodeTail, encodeTree, type Notice } from '../../wire/tree-stream.ts';
import type { RequestBody } from '../http/http-message.ts';

/** The request body of a tree, encoded while it is sent. */
export function treeBody(manifest: Manifest, notices: readonly Notice[]): RequestBody {
  return {
    type: 'application/x-ndjson',
    lengthBytes: manifest.encodedBytes + Buffer.byteLength(encodeTail(manifest.id, notices)),
    pieces: bytesOf(encodeTree(manifest, notices)),
  };
}

function* bytesOf(texts: Iterable<string>): Generator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}
