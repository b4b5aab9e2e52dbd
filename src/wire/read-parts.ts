/** Reads the document of the parts of a plan, from the wire and from where it is kept. */
import { createBreather } from '../base/breather.ts';
import { CairnError } from '../base/errors.ts';
import { BLOCK_ID_BYTES } from '../manifest/cut-ids.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { splitLines } from '../manifest/manifest-reader.ts';
import { createPartsReader, MAX_PARTS_BYTES, type Parts } from '../manifest/parts-document.ts';

/** Reads a document for a manifest. @throws CairnError `invalid-request`, `chunk-incomplete`; errors of the source */
export async function readParts(
  source: AsyncIterable<Uint8Array>,
  { entries, digest }: Pick<Manifest, 'entries' | 'digest'>,
): Promise<Parts> {
  const reader = createPartsReader({
    sizeOf: (index) =>
      index < entries.length && entries.typeOf(index) === 'file' ? entries.sizeOf(index) : undefined,
    idBytes: BLOCK_ID_BYTES[digest],
  });
  const breathe = createBreather();
  for await (const lines of splitLines(bounded(source))) {
    for (const line of lines) reader.line(line);
    await breathe();
  }
  return reader.finish();
}

async function* bounded(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.byteLength;
    if (bytes > MAX_PARTS_BYTES)
      throw new CairnError(
        'invalid-request',
        `the parts of the plan are longer than ${MAX_PARTS_BYTES} bytes`,
      );
    yield piece;
  }
}
