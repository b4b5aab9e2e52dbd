/** What the engine needs of a place that entries are compared with: a port, which every content store offers. */
import type { ScannedEntry } from '../manifest/entry.ts';
import type { ReceiverModes } from '../manifest/modes.ts';
import type { RefusalSink } from './refused-entries.ts';

/** What decides whether an entry that is there is the one that is wanted. */
export interface ComparedProperties {
  /** Granularity of the modification times it can keep, in nanoseconds. */
  readonly mtimeResolutionNs: bigint;
  /** Which modes it gives to entries. */
  readonly modes: ReceiverModes;
}

/** Looks at entries by their safe relative paths. */
export interface EntryLookup {
  readonly properties: ComparedProperties;
  /**
   * What is at each path now; undefined where nothing is. Never follows a symlink; throws `symlink-refused`. With
   * `onRefused` what is in the way of one path is told, and the others are looked up all the same.
   */
  lookup(paths: readonly string[], onRefused?: RefusalSink): Promise<(ScannedEntry | undefined)[]>;
}
