/** The same entries with less metadata. */
import { EntryTable, type EntryList } from './entry-table.ts';
import { narrowMetadata, type MetadataKind } from './metadata.ts';

/** Leaves out the metadata of all kinds but some. */
export function narrowEntries(entries: EntryList, kinds: readonly MetadataKind[]): EntryList {
  const narrowed = new EntryTable();
  for (const entry of entries) narrowed.push({ ...entry, metadata: narrowMetadata(entry.metadata, kinds) });
  return narrowed;
}
