/** Reads a manifest from a hostile byte stream, line by line, within limits. */
import { createHash } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import type { Entry } from './entry.ts';
import { EntryTable } from './entry-table.ts';
import { indexOfPath } from './hard-links.ts';
import {
  decodeEntry,
  decodeHeader,
  MAX_LINE_BYTES,
  refusal,
  TreeChecker,
  type Manifest,
  type ManifestParameters,
} from './manifest.ts';

/** The limits of a reader. */
export interface ManifestLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Limits for an ordinary machine. */
export const DEFAULT_MANIFEST_LIMITS: ManifestLimits = { maxEntries: 2_000_000, maxBytes: 1024 ** 3 };

/**
 * Splits bytes into lines of UTF-8 text; every line must end with a newline.
 *
 * @throws CairnError `manifest-invalid` for a line that is too long or not UTF-8; `chunk-incomplete` for a cut one
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array>,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<string[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let rest = Buffer.alloc(0);
  for await (const piece of source) {
    const bytes =
      rest.length === 0
        ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
        : Buffer.concat([rest, piece]);
    const end = bytes.lastIndexOf(0x0a);
    rest = Buffer.from(bytes.subarray(end + 1));
    if (hasLongLine(bytes, maxLineBytes)) throw refusal('a line is too long');
    if (end >= 0) yield decodeText(decoder, bytes.subarray(0, end)).split('\n');
  }
  if (rest.length > 0) throw new CairnError('chunk-incomplete', 'the text was cut in the middle of a line');
}

/** Measures lines one by one, so that the slices in which the bytes arrive do not matter. */
function hasLongLine(bytes: Buffer, maxLineBytes: number): boolean {
  for (let start = 0; bytes.length - start > maxLineBytes;) {
    const end = bytes.indexOf(0x0a, start);
    if ((end < 0 ? bytes.length : end) - start > maxLineBytes) return true;
    start = end + 1;
  }
  return false;
}

function decodeText(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    throw refusal('it is not UTF-8', error);
  }
}

/**
 * Takes the lines of a manifest one by one, checks each, and returns the manifest at the end.
 *
 * `line` and `finish` throw CairnError `manifest-invalid`, `manifest-too-large`, or a path code.
 */
export interface ManifestReader {
  line(text: string): void;
  finish(expectedId?: string): Manifest;
}

/** Makes a {@link ManifestReader}; its input is hostile until the reader has checked all of it. */
export function createManifestReader(limits: ManifestLimits = DEFAULT_MANIFEST_LIMITS): ManifestReader {
  const hash = createHash('sha256');
  const tree = new TreeChecker();
  const entries = new EntryTable();
  let parameters: ManifestParameters | undefined;
  let encodedBytes = 0;
  return {
    line: (text) => {
      const lineBytes = Buffer.byteLength(text);
      encodedBytes += lineBytes + 1;
      if (encodedBytes > limits.maxBytes) throw tooLarge(`more than ${limits.maxBytes} bytes`);
      hash.update(`${text}\n`);
      if (parameters === undefined) {
        parameters = decodeHeader(text);
        return;
      }
      if (entries.length >= limits.maxEntries) throw tooLarge(`more than ${limits.maxEntries} entries`);
      const { metadata } = parameters;
      if (metadata === undefined && lineBytes > MAX_LINE_BYTES) throw refusal('a line is too long');
      const entry = decodeEntry(text, metadata);
      tree.next(entry);
      if (entry.type === 'hardlink') checkHardLink(entries, entry);
      entries.push(entry);
    },
    finish: (expectedId) => {
      if (parameters === undefined) throw refusal('it is empty');
      const id = hash.digest('hex');
      if (expectedId !== undefined && expectedId !== id) throw refusal('its id is not that of its content');
      return { ...parameters, entries, encodedBytes, id };
    },
  };
}

/** A hard link names an earlier file, and no other link: so there is neither a chain of links nor a circle. */
function checkHardLink(entries: EntryTable, { path, linkTarget }: Entry): void {
  const first = indexOfPath(entries, linkTarget);
  if (first !== undefined && entries.typeOf(first) === 'file') return;
  throw refusal(`${JSON.stringify(path)} is a hard link to no earlier file of the manifest`);
}

function tooLarge(what: string): CairnError {
  return new CairnError(
    'manifest-too-large',
    `the manifest has ${what}; split the tree into several transfers`,
  );
}
