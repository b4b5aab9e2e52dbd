/**
 * The list of entries that a mirror removes: its canonical encoding, and its id.
 *
 * The encoding is NDJSON: a header line, then a line for each entry as in a manifest, in canonical order, each with a
 * newline. The id is the SHA-256 of these bytes.
 */
import { createHash } from 'node:crypto';
import { createBreather } from '../base/breather.ts';
import { CairnError } from '../base/errors.ts';
import { comparePaths } from '../base/safe-path.ts';
import { EntryTable, type EntryList } from './entry-table.ts';
import { createStandings } from './standings.ts';
import { decodeEntry, encodeEntry } from './manifest.ts';
import { splitLines, type ManifestLimits } from './manifest-reader.ts';

/** Entries that are to be removed, each with the type, size and time by which it is known. */
export interface Deletions {
  /** SHA-256 of the canonical encoding, 64 hex digits. */
  readonly id: string;
  /** Length of the canonical encoding. */
  readonly encodedBytes: number;
  /** Relative to the target, in canonical order; never the target itself. */
  readonly entries: EntryList;
}

const HEADER = '["cairn-deletions",1]';
/** Entries whose lines are yielded together. */
const BATCH_ENTRIES = 256;

/** Makes the list of these entries, which are in canonical order, and computes its id. */
export function createDeletions(entries: EntryList): Deletions {
  const hash = createHash('sha256');
  let encodedBytes = 0;
  for (const text of encodeDeletions({ entries })) {
    hash.update(text);
    encodedBytes += Buffer.byteLength(text);
  }
  return { id: hash.digest('hex'), encodedBytes, entries };
}

/** Yields the canonical encoding, some lines at a time. */
export function* encodeDeletions({ entries }: Pick<Deletions, 'entries'>): Generator<string> {
  yield `${HEADER}\n`;
  for (let from = 0; from < entries.length; from += BATCH_ENTRIES) {
    yield entries
      .slice(from, from + BATCH_ENTRIES)
      .map((entry) => `${encodeEntry(entry)}\n`)
      .join('');
  }
}

/**
 * Reads a list, which is hostile until all of it is checked. It refuses entries of `wanted`, the manifest that is
 * published beside.
 *
 * @throws CairnError `manifest-invalid`, `manifest-too-large`, a path code; `chunk-incomplete` for a cut text
 */
export async function readDeletions(
  source: AsyncIterable<Uint8Array>,
  wanted: EntryList,
  limits: ManifestLimits,
): Promise<Deletions> {
  const reader = createReader(wanted, limits);
  const breathe = createBreather();
  for await (const lines of splitLines(source)) {
    await breathe();
    for (const line of lines) reader.line(line);
  }
  return reader.finish();
}

function createReader(
  wanted: EntryList,
  limits: ManifestLimits,
): { line(text: string): void; finish(): Deletions } {
  const hash = createHash('sha256');
  const entries = new EntryTable();
  const standingOf = createStandings(wanted);
  let last: string | undefined;
  let encodedBytes = 0;
  return {
    line: (text) => {
      encodedBytes += Buffer.byteLength(text) + 1;
      if (encodedBytes > limits.maxBytes || entries.length >= limits.maxEntries) throw tooLarge(limits);
      hash.update(`${text}\n`);
      if (last === undefined) {
        if (text !== HEADER) throw refused('it has no header');
        last = '';
        return;
      }
      const entry = decodeEntry(text);
      const shown = JSON.stringify(entry.path);
      if (comparePaths(last, entry.path) >= 0)
        throw refused(`${shown} is out of order, there twice, or empty`);
      if (entry.type === 'stream') throw refused(`${shown} is a stream`);
      if (standingOf(entry.path) === 'wanted') throw refused(`${shown} is an entry of the manifest`);
      last = entry.path;
      entries.push(entry);
    },
    finish: () => {
      if (last === undefined) throw refused('it is empty');
      return { id: hash.digest('hex'), encodedBytes, entries };
    },
  };
}

function refused(why: string): CairnError {
  return new CairnError('manifest-invalid', `the list of deletions is refused: ${why}`);
}

function tooLarge({ maxBytes, maxEntries }: ManifestLimits): CairnError {
  const message = `the list of deletions has more than ${maxEntries} entries or ${maxBytes} bytes; delete some of them with "cairn rm -r" first`;
  return new CairnError('manifest-too-large', message);
}
