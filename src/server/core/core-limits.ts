/** What the core of a server allows, and how long it keeps its records. */
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import { DEFAULT_MANIFEST_LIMITS, type ManifestLimits } from '../../manifest/manifest-reader.ts';

/** Limits of the core; times are in milliseconds. */
export interface CoreLimits {
  /** Most chunks that one session moves at a time. */
  readonly parallelPerSession: number;
  /** Chunk sizes that the server agrees to, in bytes; the content store may narrow them. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** Most unfinished sessions. */
  readonly maxSessions: number;
  /** Most unfinished sessions of one owner. */
  readonly maxSessionsPerPrincipal: number;
  /** Most entries in the unfinished transfers of one owner. */
  readonly maxEntriesPerPrincipal: number;
  /** Most entries in the unfinished pushes with one transfer grant. */
  readonly maxEntriesPerGrant: number;
  /** Most bytes that all unfinished pushes together may stage. */
  readonly maxStagingBytes: number;
  /** Free bytes that a push leaves on the disk, or it is refused; undefined: 5 % of the disk, at most 1 GiB. */
  readonly keepFreeBytes: number | undefined;
  readonly manifest: ManifestLimits;
  /** A session without a request for this time leaves memory, after a sync point. */
  readonly idleSessionMs: number;
  /** How long a commit waits for the last chunks, and then for its end before it answers that it goes on. */
  readonly commitWaitMs: number;
  /** Where nodes share a store: how long a silent node keeps its commit before another node takes over. */
  readonly publisherLeaseMs: number;
  /** How long the record of a committed session is kept, so that a repeated commit gets its answer. */
  readonly keepCommittedMs: number;
  /** How long the record of an aborted or expired session is kept, so that its client learns of the end. */
  readonly keepEndedMs: number;
  /** A staging area without a record is freed this long after it was first seen. */
  readonly orphanStagingMs: number;
  readonly collectEveryMs: number;
  /** The shortest time between two saves of a pull's digests. */
  readonly saveDigestsEveryMs: number;
}

/** What the core allows unless told otherwise. */
export const DEFAULT_CORE_LIMITS: CoreLimits = {
  parallelPerSession: 48,
  chunkSizeBytes: CHUNK_SIZE_RANGE,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: 1000,
  maxEntriesPerPrincipal: 10_000_000,
  maxEntriesPerGrant: 2_000_000,
  maxStagingBytes: Number.MAX_SAFE_INTEGER,
  keepFreeBytes: undefined,
  manifest: DEFAULT_MANIFEST_LIMITS,
  idleSessionMs: 60_000,
  commitWaitMs: 5000,
  publisherLeaseMs: 15_000,
  keepCommittedMs: 3_600_000,
  keepEndedMs: 600_000,
  orphanStagingMs: 3_600_000,
  collectEveryMs: 60_000,
  saveDigestsEveryMs: 10_000,
};
