/** What one server allows, and how long it keeps things. */
import { CHUNK_SIZE_RANGE } from '../../manifest/manifest.ts';
import { DEFAULT_MANIFEST_LIMITS, type ManifestLimits } from '../../manifest/manifest-reader.ts';

/** Limits of a server; times are in milliseconds. */
export interface ServerLimits {
  /** Most chunks that one session moves at a time. */
  readonly parallelPerSession: number;
  /** Chunk sizes that are agreed to, in bytes; the content store may narrow them. */
  readonly chunkSizeBytes: { readonly min: number; readonly max: number };
  /** A body, of a request or an answer, of which no byte moved for so long is ended. */
  readonly idleBodyMs: number;
  /** A body that moves slower than this, in bytes a second on average over `bodyRateOverMs`, is ended. */
  readonly minBodyRate: number;
  /** Only the time that the other side lets this one wait counts. */
  readonly bodyRateOverMs: number;
  /** Most connections at a time. */
  readonly maxConnections: number;
  /** Most connections of one network address at a time; of IPv6, of a /64. */
  readonly maxConnectionsPerAddress: number;
  /** The headers of a request must have come within so long. */
  readonly headersMs: number;
  /** A connection without a request is kept for so long. */
  readonly keepAliveMs: number;
  /** A connection, or a channel, without a request is left alone for so long where others need its place. */
  readonly leastIdleMs: { readonly connection: number; readonly channel: number };
  /** Longest headers of a request with its request line, in bytes. */
  readonly maxHeaderBytes: number;
  /** Most header fields of a request. */
  readonly maxHeaders: number;
  /** Longest target of a request, in bytes. */
  readonly maxTargetBytes: number;
  /** Failed authentications of one network address within `failedAuthenticationsOverMs`; then it has to wait. */
  readonly maxFailedAuthentications: number;
  readonly failedAuthenticationsOverMs: number;
  /** Most sessions that are not at their end. */
  readonly maxSessions: number;
  /** Most of them that one owner may have. */
  readonly maxSessionsPerPrincipal: number;
  /** Most transfer grants that one owner may have at a time; they count until they expire. */
  readonly maxGrantsPerPrincipal: number;
  /** Most sessions with one transfer grant that are not at their end. */
  readonly maxSessionsPerGrant: number;
  /** Most entries in the unfinished transfers of one owner. */
  readonly maxEntriesPerPrincipal: number;
  /** Most entries in the unfinished pushes with one transfer grant. */
  readonly maxEntriesPerGrant: number;
  /** Most bytes that all unfinished pushes together may stage. */
  readonly maxStagingBytes: number;
  /** No push is begun that would leave less of the disk free; undefined: 5 % of it, and never more than 1 GiB. */
  readonly keepFreeBytes: number | undefined;
  /** Longest JSON message, in bytes. */
  readonly maxJsonBytes: number;
  /** Longest JSON message that carries runs (plan, digests, commit), in bytes. */
  readonly maxRunsBytes: number;
  readonly manifest: ManifestLimits;
  /** A session that nobody asked for so long is no longer held in memory; what is of it is made durable first. */
  readonly idleSessionMs: number;
  /** How long a commit waits for chunks that are to come, and for its end before it answers that it goes on. */
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
  parallelPerSession: 48,
  chunkSizeBytes: CHUNK_SIZE_RANGE,
  idleBodyMs: 30_000,
  minBodyRate: 64,
  bodyRateOverMs: 60_000,
  maxConnections: 4096,
  maxConnectionsPerAddress: 256,
  headersMs: 30_000,
  keepAliveMs: 75_000,
  // A channel is opened for chunks that are about to come.
  leastIdleMs: { connection: 1000, channel: 3000 },
  maxHeaderBytes: 16 * 1024,
  maxHeaders: 100,
  // The longest path, each byte of it percent-encoded.
  maxTargetBytes: 12 * 1024,
  maxFailedAuthentications: 10,
  failedAuthenticationsOverMs: 60_000,
  maxSessions: 10_000,
  maxSessionsPerPrincipal: 1000,
  maxGrantsPerPrincipal: 1000,
  // Whoever tries again after losing everything finds his session again; but a leaked grant must not fill the server.
  maxSessionsPerGrant: 16,
  maxEntriesPerPrincipal: 10_000_000,
  maxEntriesPerGrant: 2_000_000,
  maxStagingBytes: Number.MAX_SAFE_INTEGER,
  keepFreeBytes: undefined,
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
