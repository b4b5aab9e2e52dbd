/** What one server allows, and how long it keeps things. */
import { CHUNK_SIZE_RANGE } from '../manifest/manifest.ts';
import { DEFAULT_MANIFEST_LIMITS, type ManifestLimits } from '../manifest/manifest-reader.ts';

/** Limits of a server; times are in milliseconds. */
export interface ServerLimits {
  /** Most chunks that one session moves at a time. */
  readonly parallelPerSession: number;
  /** Chunk sizes that are agreed to, in bytes; the content store may narrow them. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** A body, of a request or an answer, of which no byte moved for so long is ended. */
  readonly idleBodyMs: number;
  /** Most sessions that are not at their end. */
  readonly maxSessions: number;
  /** Most of them that one owner may have. */
  readonly maxSessionsPerPrincipal: number;
  /** Longest JSON message, in bytes. */
  readonly maxJsonBytes: number;
  /** Longest JSON message that carries runs (plan, digests, commit), in bytes. */
  readonly maxRunsBytes: number;
  readonly manifest: ManifestLimits;
  /** A session that nobody asked for so long is no longer held in memory; what is of it is made durable first. */
  readonly idleSessionMs: number;
  /** How long a commit waits for its end before it answers that it goes on. */
  readonly commitWaitMs: number;
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

/** What a server allows unless told otherwise. */
export const DEFAULT_LIMITS: ServerLimits = {
  parallelPerSession: 16,
  chunkSizeBytes: CHUNK_SIZE_RANGE,
  idleBodyMs: 30_000,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: 1000,
  maxJsonBytes: 64 * 1024,
  maxRunsBytes: 16 * 1024 * 1024,
  manifest: DEFAULT_MANIFEST_LIMITS,
  idleSessionMs: 60_000,
  commitWaitMs: 5000,
  keepCommittedMs: 3_600_000,
  keepEndedMs: 600_000,
  orphanStagingMs: 3_600_000,
  collectEveryMs: 60_000,
  saveDigestsEveryMs: 10_000,
};
