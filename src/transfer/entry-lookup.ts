/** The engine's port for looking up existing entries; every content store implements it. */
import type { ScannedEntry } from '../manifest/entry.ts';
import type { LocalIds, MetadataKind } from '../manifest/metadata.ts';
import type { ReceiverModes } from '../manifest/modes.ts';
import type { RefusalSink } from './refused-entries.ts';

/** The properties of a store that decide whether an existing entry equals the wanted one. */
export interface ComparedProperties {
  /** Granularity of the modification times it can keep, in nanoseconds. */
  readonly mtimeResolutionNs: bigint;
  /** How it treats modes. */
  readonly modes: ReceiverModes;
  /** The metadata that it has beside modes and times; missing for none. */
  readonly metadata?: MetadataAbilities | undefined;
}

/** The metadata that a store can tell of its entries, and keep of those of others. */
export interface MetadataAbilities {
  readonly tells: readonly MetadataKind[];
  readonly keeps: readonly MetadataKind[];
  readonly ids: LocalIds;
}

/** Looks at entries by their safe relative paths. */
export interface EntryLookup {
  readonly properties: ComparedProperties;
  /**
   * The entry at each path now; undefined where there is none. Never follows a symlink; throws `symlink-refused`.
   * With `onRefused` it reports a failure of one path there, and looks up the others all the same. With `metadata` the
   * entries have that of these kinds.
   */
  lookup(
    paths: readonly string[],
    onRefused?: RefusalSink,
    metadata?: readonly MetadataKind[],
  ): Promise<(ScannedEntry | undefined)[]>;
  /** The entries of this moment, for many lookups; only by a store that asks others about each lookup. */
  atOneMoment?(): Promise<EntryLookup>;
}
