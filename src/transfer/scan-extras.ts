/** What a destination has beside the entries of a manifest, found while it is scanned, in bounded memory. */
import type { Entry, ScannedEntry } from '../manifest/entry.ts';
import type { EntryList } from '../manifest/entry-table.ts';
import { createStandings } from '../manifest/standings.ts';

/** How many entries a destination has, as far as a mirror of the manifest is about them; the target itself not counted. */
export interface ExtrasTotals {
  total: number;
}

/**
 * The entries of a scan that a manifest does not have, in batches as the scan gives them; empty ones come, too.
 *
 * @param scanned the whole target in canonical order, the target itself first
 * @param totals counts what is scanned, true once the last batch has come
 */
export async function* extrasOf(
  scanned: AsyncIterable<readonly ScannedEntry[]>,
  wanted: EntryList,
  totals: ExtrasTotals,
): AsyncGenerator<Entry[]> {
  const standingOf = createStandings(wanted);
  for await (const batch of scanned) {
    const extras: Entry[] = [];
    for (const { entry } of batch) {
      const standing = standingOf(entry.path);
      if (standing === 'outside' || entry.path === '') continue;
      totals.total += 1;
      if (standing === 'extra') extras.push(entry);
    }
    yield extras;
  }
}
