/** The engine's port for looking up existing entries; every content store implements it. */
import type { ScannedEntry } from '../manifest/entry.ts';
import type { ReceiverModes } from '../manifest/modes.ts';
import type { RefusalSink } from './refused-entries.ts';

/** The properties of a store that decide whether an existing entry equals the wanted one. */
export interface ComparedProperties {
  /** Granularity of the modification times it can keep, in nanoseconds. */
  readonly mtimeResolutionNs: bigint;
  /** How it treats modes. */
  readonly modes: ReceiverModes;
}

/** Looks at entries by their safe relative paths. */
export interface EntryLookup {
  readonly properties: ComparedProperties;
  /**
   * The entry at each path now; undefined where there is none. Never follows a symlink; throws `symlink-refused`.
   * With `onRefused` it reports a failure of one path there, and looks up the others all the same.
   */
  lookup(paths: readonly string[], onRefused?: RefusalSink): Promise<(ScannedEntry | undefined)[]>;
}
