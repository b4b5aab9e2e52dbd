/** What the caller of a transfer decides. */
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import type { ModeChange } from '../../manifest/modes.ts';
import type { Selection } from '../../manifest/selection.ts';
import type { ChunkEncoding } from '../../session/encoding.ts';
import type { SyncMode } from '../../session/sync-mode.ts';
import type { ReachOptions } from './reach.ts';

/** When chunks are compressed; what does not shrink never is. */
export const COMPRESS_MODES = ['auto', 'always', 'never'] as const;
/** One of {@link COMPRESS_MODES}. */
export type CompressMode = (typeof COMPRESS_MODES)[number];

/** Most deletions of a run: a number, or a part of the entries at the destination, 0 to 100. */
export type MaxDelete = { readonly entries: number } | { readonly percent: number };

/** What a run deletes at its destination: all that the source does not have, within limits. */
export interface MirrorWishes {
  readonly maxDelete: MaxDelete;
  /** Whether it deletes also where a part of the source could not be read; never what is in the place of that. */
  readonly isAnyway: boolean;
}

/** Everything that a transfer wants to know. */
export interface TransferOptions extends ReachOptions {
  /** Directory for checkpoints. */
  readonly stateHome: string;
  /** Directory in which compiled code of this program is kept; no part of a source, as the one for checkpoints. */
  readonly compiledHome?: string | undefined;
  /** Given, once at the start, how to ask whether something was begun: of a pipe, a session; of files, a checkpoint. */
  readonly onStart?: (hasBegun: () => boolean) => void;
  /** Arguments of the command that resumes this transfer; stored in its record. */
  readonly resumeCommand: readonly string[];
  /** Chunks on their way at a time; without it, as many as make more of the link. */
  readonly parallel?: number;
  readonly chunkSizeBytes?: number;
  readonly digest?: DigestAlgorithm;
  /** When the receiver makes sync points. A push asks the server for it; without, it is the server's choice. */
  readonly sync?: SyncMode;
  /** When chunks are compressed; without, while the line is so slow that it pays. */
  readonly compress?: CompressMode;
  /** What to offer for that, the better first; without, all that this runtime has. */
  readonly encodings?: readonly ChunkEncoding[];
  /** Files of the same size are compared by their digests, whatever their times say. */
  readonly checksum?: boolean;
  /** Changed files are carried whole, also where the destination has an older version of them. */
  readonly wholeFiles?: boolean;
  /** Modes are taken over whatever the umask of the receiver says. */
  readonly preserveModes?: boolean;
  /** Kinds of metadata to carry beside modes and times. */
  readonly metadata?: readonly MetadataKind[];
  /** How modes change on their way: the change, and the words for it. */
  readonly chmod?: { readonly words: readonly string[]; readonly change: ModeChange };
  /** Whether a directory gives way, with everything in it, to an entry of another type. */
  readonly forceReplace?: boolean;
  /** Which entries take part; without it all do but those that files in the source name. */
  readonly selection?: Selection;
  /** Milliseconds since 1970, for ages of files. */
  readonly wallClock?: () => number;
  /** Whether what the source does not have is deleted, once everything else is done. */
  readonly mirror?: MirrorWishes;
  /**
   * Directory at the receiver for files and links that are replaced or deleted: of a push an absolute path below the
   * server's own root, of a pull a local one.
   */
  readonly backupDirectory?: string;
  /** Only finds out what would be moved. */
  readonly dryRun?: boolean;
  /** Whether each entry is to be reported by its name once it has crossed the wire. */
  readonly namesEntries?: boolean;
}

/** Most chunks on their way at a time, unless the caller wants a number. */
export const MAX_ADAPTIVE_PARALLEL = 48;
/** Files that are hashed at a time, and chunks of a stream on their way. */
export const DEFAULT_PARALLEL = 4;
/** Chunk size of files, in bytes. */
export const DEFAULT_CHUNK_SIZE_BYTES = 8 * 1024 * 1024;
/** Chunk size of streams, in bytes: what no sync point covers is kept in memory. */
export const DEFAULT_STREAM_CHUNK_SIZE_BYTES = 2 * 1024 * 1024;
/** The largest one: some of them have to fit into memory. */
export const MAX_STREAM_CHUNK_SIZE_BYTES = 8 * 1024 * 1024;
