/**
 * The JSON messages of the protocol with their validators. Nothing that comes over the wire is used before it has been
 * through one of these.
 */
import * as v from 'valibot';
import { CairnError } from '../base/errors.ts';
import { DIGEST_ALGORITHMS } from '../manifest/digest.ts';
import { CHUNK_SIZE_RANGE } from '../manifest/manifest.ts';
import { MAX_CHUNKS } from '../manifest/layout.ts';
import { SYNC_MODES } from '../session/sync-mode.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const runs = v.array(count);
const sha256Hex = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const chunkSize = v.pipe(
  v.number(),
  v.integer(),
  v.minValue(CHUNK_SIZE_RANGE.min),
  v.maxValue(CHUNK_SIZE_RANGE.max),
);
const chunkNumber = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_CHUNKS - 1));
const version = v.object({ major: count, minor: count });
const syncMode = v.picklist(SYNC_MODES);
/** Names of encodings; those that are not known here stand for nothing. */
const encodings = v.pipe(v.array(v.pipe(v.string(), v.maxLength(32))), v.maxLength(16));

/** Session ids are made by the server: 128 random bits in base64url. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{22}$/;

/**
 * Where a client gets access tokens for a server: the device flow (RFC 8628) of an OpenID Connect issuer. Nothing in it
 * is a secret, and a client shows it to its user before it asks anybody.
 */
const LoginOffer = v.object({
  /** The issuer's URL: https, or http within one machine. */
  issuer: v.pipe(v.string(), v.minLength(1), v.maxLength(2048)),
  /** Whom the access tokens have to be for. */
  audience: v.pipe(v.string(), v.minLength(1), v.maxLength(2048)),
  /** The client that the issuer knows; a user may name another. */
  clientId: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1024))),
  /** Scopes to ask for. */
  scopes: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(256))), v.maxLength(64))),
});
/** How a server says where its access tokens come from. */
export type LoginOffer = v.InferOutput<typeof LoginOffer>;

/** `GET <root>`: who is there, told to anyone. */
export const Hello = v.object({
  server: v.literal('cairn'),
  version: v.string(),
  protocol: version,
  login: v.optional(LoginOffer),
  /** What a connection can be upgraded to, so that chunks cost less. */
  channels: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(16))),
  /** Whether `POST tree-id` is answered. */
  treeIds: v.optional(v.boolean()),
});
/** {@link Hello} as a type. */
export type Hello = v.InferOutput<typeof Hello>;

/** Absolute, percent-encoded path below the server's root, as in the public URL. */
export const targetPath = v.pipe(v.string(), v.startsWith('/'), v.maxLength(16_384));

/** `POST sessions`: what the client wants and can do. */
export const EstablishRequest = v.object({
  protocol: version,
  direction: v.picklist(['push', 'pull']),
  target: targetPath,
  /** Digest algorithms in order of preference; the server takes the first that it knows. */
  digests: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(16)),
  /** Wished chunk size in bytes; the server may choose another one within its range. */
  chunkSizeBytes: positive,
  /** Whether that is only the largest that is wished: whoever knows how much there is chooses. */
  isLargestChunkSize: v.optional(v.boolean()),
  /** How many chunks there should be at least, as far as their size allows, where the server chooses that. */
  wishedChunks: v.optional(positive),
  /** Wished number of chunks at a time. */
  parallel: positive,
  /** Id of the manifest that the client would send or has: finds an unfinished session after lost state. */
  manifestId: v.optional(sha256Hex),
  /** Ids that the same entries have with other chunk sizes, which the client may have chosen over another line. */
  otherManifestIds: v.optional(v.pipe(v.array(sha256Hex), v.maxLength(4))),
  /** Random, and the same in every try of one request: when its answer was lost, the next try gets the same session. */
  requestId: v.optional(v.pipe(v.string(), v.regex(SESSION_ID_PATTERN))),
  /** Wished sync mode of a push; the server takes the stricter of it and its own, which it takes without a wish. */
  sync: v.optional(syncMode),
  /** Of a push: whether modes are taken over whatever the server's umask says. */
  preserveModes: v.optional(v.boolean()),
  /** Encodings of chunks that the client can do, in order of preference; missing for none. */
  encodings: v.optional(encodings),
});
/** {@link EstablishRequest} as a type. */
export type EstablishRequest = v.InferOutput<typeof EstablishRequest>;

/** `POST resume`: a wish only ever makes the sync mode of a push stricter; encodings are agreed on anew. */
export const ResumeRequest = v.object({ sync: v.optional(syncMode), encodings: v.optional(encodings) });
/** {@link ResumeRequest} as a type. */
export type ResumeRequest = v.InferOutput<typeof ResumeRequest>;

/** Answer to establish and to resume: everything that a client needs to work in this epoch. */
export const SessionGrant = v.object({
  session: v.pipe(v.string(), v.regex(SESSION_ID_PATTERN)),
  credential: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  epoch: positive,
  state: v.picklist(['establishing', 'open', 'committing', 'committed']),
  direction: v.picklist(['push', 'pull']),
  digest: v.picklist(DIGEST_ALGORITHMS),
  chunkSizeBytes: chunkSize,
  parallel: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)),
  /** How long the server keeps the session when nobody touches it. */
  leaseMs: positive,
  /** How long the server keeps the session at most, whoever touches it. Missing where an older server grants. */
  endsInMs: v.optional(positive),
  /** How long the server takes requests in the name of what authorized this, where that ends; a token renews it. */
  authorizedForMs: v.optional(positive),
  /** Whether the server keeps the bytes of a chunk that was cut; those that a sync point covers outlive a restart. */
  holdsPartialChunks: v.boolean(),
  /** When the server makes sync points of a push. Missing in a pull, and where an older server grants. */
  sync: v.optional(syncMode),
  /** Encodings of chunks that both sides can do, as long as this epoch lasts; missing for none. */
  encodings: v.optional(encodings),
  /** Of a push: whether a commit can wait for chunks. Missing where an older server grants. */
  commitAwaitsChunks: v.optional(v.boolean()),
  /** Id of the manifest that the server holds, or null before it has one. */
  manifestId: v.nullable(sha256Hex),
  /** Whether this session existed before this request. */
  resumed: v.boolean(),
  /**
   * Of a push: what becomes of what is there, and whether the client may learn what that is. Missing for `replaced`, and for
   * a client that may.
   */
  existing: v.optional(v.picklist(['replaced', 'kept', 'renamed'])),
  isBlind: v.optional(v.boolean()),
  /** Of a push: whether modes are taken over whatever the server's umask says. Missing where they are not. */
  preservesModes: v.optional(v.boolean()),
  /** Of a new push: whether there is nothing yet at its target. */
  isTargetNew: v.optional(v.boolean()),
  /** Of a new pull: the size of the file at its target. */
  fileBytes: v.optional(count),
});
/** {@link SessionGrant} as a type. */
export type SessionGrant = v.InferOutput<typeof SessionGrant>;

/**
 * Which entries are not carried: `have` are runs of entry indices whose bytes the receiver has, `attributes` those
 * among them whose mode or mtime is set at commit. Runs are `[start, length, start, length, …]`, ascending.
 */
export const Plan = v.object({ have: runs, attributes: runs });
/** {@link Plan} as a type. */
export type Plan = v.InferOutput<typeof Plan>;
/** The plan that leaves nothing out. */
export const EVERYTHING: Plan = { have: [], attributes: [] };

/** Answer to a plan: both sides computed the same layout, or stop here. `null` while a stream's size is unknown. */
export const PlanAccepted = v.object({ chunkCount: v.nullable(count), bytesTotal: v.nullable(count) });
/** {@link PlanAccepted} as a type. */
export type PlanAccepted = v.InferOutput<typeof PlanAccepted>;

/**
 * Answer to a manifest: the plan that the server proposes, and files that only their digest can tell. `accepted` where
 * the client wanted it agreed at once, and it is.
 */
export const Comparison = v.object({
  ...Plan.entries,
  candidates: runs,
  accepted: v.optional(PlanAccepted),
});
/** {@link Comparison} as a type. */
export type Comparison = v.InferOutput<typeof Comparison>;

/** `GET checkpoint`: what the receiver has made durable, and what it holds of half-sent chunks. */
export const CheckpointReply = v.object({
  plan: v.nullable(Plan),
  /** Durable chunks: runs of chunk numbers, and their digests one after the other in base64. */
  chunks: v.object({ runs, digests: v.string() }),
  /** Bytes held of chunks that are not whole: `[chunk, bytes]`. */
  held: v.array(v.tuple([chunkNumber, positive])),
});
/** {@link CheckpointReply} as a type. */
export type CheckpointReply = v.InferOutput<typeof CheckpointReply>;

/** Answer to a chunk and to sync: the chunk is durable once `durableSyncPoint` has reached its `syncPoint`. */
export const SyncStatus = v.object({ syncPoint: count, durableSyncPoint: count });
/** {@link SyncStatus} as a type. */
export type SyncStatus = v.InferOutput<typeof SyncStatus>;

/** `POST commit`: what the client believes to be the whole. `excluded` are runs of entries that are left out. */
export const CommitRequest = v.object({
  digest: sha256Hex,
  bytesTotal: count,
  excluded: runs,
  /** Of a push: whether chunks are on their way still, and to be waited for. */
  awaitChunks: v.optional(v.boolean()),
  /** Of a push: whether an entry that cannot be published is named in the answer, and the rest published all the same. */
  leaveOut: v.optional(v.boolean()),
  /** Of a push: whether a directory with all that is in it gives way to an entry of another type. */
  forceReplace: v.optional(v.boolean()),
});
/** {@link CommitRequest} without its list of runs, which is read for itself. */
export const CommitWithoutRuns = v.omit(CommitRequest, ['excluded']);
/** {@link CommitRequest} as a type. */
export type CommitRequest = v.InferOutput<typeof CommitRequest>;

/**
 * Entries that the receiver could not put in their place, or could not give their mode and time where it has them from
 * before: runs of indices for each code of an error. A code that is not known here stands for `storage-io`.
 */
export const Unpublished = v.pipe(
  v.array(v.object({ code: v.pipe(v.string(), v.maxLength(64)), entries: runs })),
  v.maxLength(64),
);
/** {@link Unpublished} as a type. */
export type Unpublished = v.InferOutput<typeof Unpublished>;

/** Answer to commit: `committing` (202) means ask again, `committed` (200) means both digests agree and it is published. */
export const CommitReply = v.object({
  state: v.picklist(['committing', 'committed']),
  entriesDone: count,
  entriesTotal: count,
  digest: sha256Hex,
  /** Of a push that left something out; `unlisted` is the number of entries beside those, where they are too many. */
  unpublished: v.optional(Unpublished),
  unlisted: v.optional(count),
});
/** {@link CommitReply} as a type. */
export type CommitReply = v.InferOutput<typeof CommitReply>;

/** Answer to heartbeat. */
export const HeartbeatReply = v.object({ leaseMs: positive, authorizedForMs: v.optional(positive) });
/** {@link HeartbeatReply} as a type. */
export type HeartbeatReply = v.InferOutput<typeof HeartbeatReply>;

/** `POST digests`: runs of entry indices whose files are read and hashed now. */
export const DigestsRequest = v.object({ entries: runs });
/** {@link DigestsRequest} as a type. */
export type DigestsRequest = v.InferOutput<typeof DigestsRequest>;

/** An empty JSON object, for requests and answers without content. */
export const Empty = v.object({});

/**
 * Refuses a major version of the protocol that this side does not speak.
 *
 * @throws CairnError `version-unsupported`
 */
export function checkProtocolMajor(theirs: number, ours: number): void {
  if (theirs === ours) return;
  const which = theirs > ours ? 'newer' : 'older';
  throw new CairnError(
    'version-unsupported',
    `the other side speaks protocol version ${theirs}, which is ${which} than version ${ours} here; install the same major version of cairn on both sides`,
    { details: { theirs, ours } },
  );
}
