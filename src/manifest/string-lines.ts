/** Writes and reads many strings as a document with a line of JSON each. */
import { splitLines } from './manifest-reader.ts';
import { StringTable, type StringList } from './string-table.ts';

/** Lines are encoded in batches of at least so many UTF-16 code units. */
const BATCH_CHARACTERS = 32 * 1024;

/** Encodes strings as lines of JSON, some hundred at a time. */
export function* encodeStrings(strings: StringList): Generator<string> {
  let batch = '';
  for (const text of strings) {
    batch += `${JSON.stringify(text)}\n`;
    if (batch.length < BATCH_CHARACTERS) continue;
    yield batch;
    batch = '';
  }
  if (batch !== '') yield batch;
}

/**
 * Reads what {@link encodeStrings} wrote.
 *
 * @throws CairnError `manifest-invalid`, `chunk-incomplete` for a cut document; SyntaxError for other damage
 */
export async function decodeStrings(source: AsyncIterable<Uint8Array>): Promise<StringList> {
  const strings = new StringTable();
  for await (const lines of splitLines(source)) {
    for (const line of lines) {
      const text: unknown = JSON.parse(line);
      if (typeof text !== 'string') throw new SyntaxError('a line is no string');
      strings.push(text);
    }
  }
  return strings;
}
