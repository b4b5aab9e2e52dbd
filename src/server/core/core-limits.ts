/** What the core of a server allows, and how long it keeps things. */
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import { DEFAULT_MANIFEST_LIMITS, type ManifestLimits } from '../../manifest/manifest-reader.ts';

/** Limits of the core; times are in milliseconds. */
export interface CoreLimits {
  /** Most chunks that one session moves at a time. */
  readonly parallelPerSession: number;
  /** Chunk sizes that are agreed to, in bytes; the content store may narrow them. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** Most sessions that are not at their end. */
  readonly maxSessions: number;
  /** Most of them that one owner may have. */
  readonly maxSessionsPerPrincipal: number;
  /** Most entries in the unfinished transfers of one owner. */
  readonly maxEntriesPerPrincipal: number;
  /** Most entries in the unfinished pushes with one transfer grant. */
  readonly maxEntriesPerGrant: number;
  /** Most bytes that all unfinished pushes together may stage. */
  readonly maxStagingBytes: number;
  /** No push is begun that would leave less of the disk free; undefined: 5 % of it, and never more than 1 GiB. */
  readonly keepFreeBytes: number | undefined;
  readonly manifest: ManifestLimits;
  /** A session that nobody asked for so long is no longer held in memory; what is of it is made durable first. */
  readonly idleSessionMs: number;
  /** How long a commit waits for chunks that are to come, and for its end before it answers that it goes on. */
  readonly commitWaitMs: number;
  /** Where nodes share a store: how long a commit is left to a node that is not heard of before another one takes over. */
  readonly publisherLeaseMs: number;
  /** How long the record of a committed session is kept, so that a repeated commit is answered. */
  readonly keepCommittedMs: number;
  /** How long the record of an aborted or expired session is kept, so that its client learns of it. */
  readonly keepEndedMs: number;
  /** A staging area without a record is freed when it has been seen for so long. */
  readonly orphanStagingMs: number;
  readonly collectEveryMs: number;
  /** The digests of a pull are saved at most so often. */
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
