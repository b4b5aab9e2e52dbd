/**
 * What a target has beside a manifest, on the wire: NDJSON of a header, entries as in a manifest and notices as in a tree
 * in the order of the scan, and an end line with the number of extra entries and of all.
 */
import { CairnError } from '../base/errors.ts';
import { comparePaths } from '../base/safe-path.ts';
import type { Entry } from '../manifest/entry.ts';
import { EntryTable, type EntryList } from '../manifest/entry-table.ts';
import { decodeEntry } from '../manifest/manifest.ts';
import { splitLines, type ManifestLimits } from '../manifest/manifest-reader.ts';
import { decodeNotice, type Notice } from './tree-stream.ts';

/** The first line, without its newline. */
export const EXTRAS_HEADER = '["cairn-extras",1]';

/** The last line, without its newline: how many extra entries there are, and how many entries in all. */
export function encodeExtrasEnd(extras: number, total: number): string {
  return JSON.stringify(['end', extras, total]);
}

/** What a destination has beside a manifest. */
export interface Extras {
  /** Relative to the target, in canonical order. */
  readonly entries: EntryList;
  /** What is there and cannot be named in a list of deletions, or could not be looked at. */
  readonly notices: readonly Notice[];
  /** Entries at the destination in all, the target itself not counted. */
  readonly total: number;
}

/** More notices than that are dropped. */
const MAX_NOTICES = 10_000;

/**
 * Reads and checks a whole answer, which is hostile until then; empty lines only keep the connection alive.
 *
 * @throws CairnError `manifest-invalid`, `manifest-too-large`, a path code, or `chunk-incomplete` for a cut answer
 */
export async function readExtras(source: AsyncIterable<Uint8Array>, limits: ManifestLimits): Promise<Extras> {
  const entries = new EntryTable();
  const notices: Notice[] = [];
  let hasHeader = false;
  let last: Entry | undefined;
  let total: number | undefined;
  for await (const lines of splitLines(source)) {
    for (const line of lines) {
      if (line === '') continue;
      if (total !== undefined) throw refused('it goes on after its end');
      if (!hasHeader) {
        if (line !== EXTRAS_HEADER) throw refused('it has no header');
        hasHeader = true;
      } else if (line.startsWith('["end",')) {
        total = totalOf(line, entries.length);
      } else if (line.startsWith('["w",')) {
        if (notices.length < MAX_NOTICES) notices.push(decodeNotice(line));
      } else {
        const entry = decodeEntry(line);
        if (comparePaths(last?.path ?? '', entry.path) >= 0) throw refused('it is out of order');
        if (entries.length >= limits.maxEntries) throw tooMany(limits.maxEntries);
        entries.push(entry);
        last = entry;
      }
    }
  }
  if (total === undefined)
    throw new CairnError('chunk-incomplete', 'what the target has beside was cut before its end');
  return { entries, notices, total };
}

function totalOf(line: string, extras: number): number {
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch (error) {
    throw new CairnError('manifest-invalid', 'the end of a list is no JSON', { cause: error });
  }
  const [, count, total] = fields as readonly unknown[];
  if (count !== extras || !Number.isSafeInteger(total) || Number(total) < extras)
    throw refused('its end is wrong');
  return Number(total);
}

function refused(why: string): CairnError {
  return new CairnError('manifest-invalid', `the list of what the target has beside is refused: ${why}`);
}

function tooMany(maxEntries: number): CairnError {
  const message = `the target has more than ${maxEntries} entries that the source does not have; delete some of them with "cairn rm -r" first`;
  return new CairnError('manifest-too-large', message);
}
