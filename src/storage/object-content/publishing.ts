/** What decisions about a publishing are made from. */
import type { Entry } from '../../manifest/entry.ts';
import type { RefusedEntries } from '../../transfer/refused-entries.ts';
import type { IncomingTransfer, PublishOrder } from '../content-store.ts';
import type { TreeChange } from '../entry-tree/change-merge.ts';
import type { TreeReader } from '../entry-tree/tree-reader.ts';
import type { StagedChunk } from './staged-chunk.ts';

/** What is needed to decide. */
export interface Publishing {
  readonly tree: TreeReader;
  readonly transfer: IncomingTransfer;
  readonly order: PublishOrder;
  readonly staged: ReadonlyMap<number, StagedChunk>;
  readonly refused: RefusedEntries;
  /** The clock of the store, in milliseconds since 1970. */
  readonly nowMs: () => Promise<number>;
}

/** An entry of the manifest as it is published at a path, with this mode: of a stream its size is known by now. */
export function publishedEntry(
  { streamSizeBytes = 0 }: Pick<PublishOrder, 'streamSizeBytes'>,
  entry: Entry,
  at: Pick<Entry, 'path' | 'mode'>,
): Entry {
  return entry.type === 'stream'
    ? { ...entry, ...at, type: 'file', sizeBytes: streamSizeBytes }
    : { ...entry, ...at };
}

/** Changes beside the entries of the manifest, by their path. */
export type OtherChanges = Map<string, TreeChange>;
