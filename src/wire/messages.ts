/**
 * The JSON messages of the protocol with their validators. Both sides use nothing from the wire before one of these has
 * checked it.
 */
import * as v from 'valibot';
import { CairnError } from '../base/errors.ts';
import { DIGEST_ALGORITHMS } from '../manifest/digest.ts';
import { CHUNK_SIZE_RANGE } from '../manifest/manifest.ts';
import { MAX_CHUNKS } from '../manifest/layout.ts';
import { SYNC_MODES } from '../session/sync-mode.ts';
import { Deleted } from './deletion-messages.ts';

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
/** Names of kinds of metadata; each side ignores those that it does not know. */
export const metadataNames = v.pipe(v.array(v.pipe(v.string(), v.maxLength(32))), v.maxLength(32));
/** Names of encodings; each side ignores those that it does not know. */
const encodings = v.pipe(v.array(v.pipe(v.string(), v.maxLength(32))), v.maxLength(16));

/** The form of session ids, which the server makes: 128 random bits in base64url. */
export const SESSION_ID_PATTERN = /^[A-Za-z0-9_-]{22}$/;

/**
 * Where a client gets access tokens for a server: the device flow (RFC 8628) of an OpenID Connect issuer. Nothing in it
 * is a secret, and a client shows it to its user before it contacts the issuer.
 */
const LoginOffer = v.object({
  /** The issuer's URL: https, or http within one machine. */
  issuer: v.pipe(v.string(), v.minLength(1), v.maxLength(2048)),
  /** The audience that the access tokens must have. */
  audience: v.pipe(v.string(), v.minLength(1), v.maxLength(2048)),
  /** The id of the client at the issuer; a user may name another. */
  clientId: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(1024))),
  scopes: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(256))), v.maxLength(64))),
});
/** {@link LoginOffer} as a type: where a client gets access tokens. */
export type LoginOffer = v.InferOutput<typeof LoginOffer>;

/** `GET <root>`: the name, version and features of the server, for every client. */
export const Hello = v.object({
  server: v.literal('cairn'),
  version: v.string(),
  protocol: version,
  login: v.optional(LoginOffer),
  /** The protocols that a connection can be upgraded to, so that chunks cost less. */
  channels: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(16))),
  treeIds: v.optional(v.boolean()),
  /** The kinds of metadata that a push and a pull may carry. Missing from an older server. */
  metadata: v.optional(v.object({ push: metadataNames, pull: metadataNames })),
  /** Whether a push can delete what it does not have. */
  deletions: v.optional(v.boolean()),
});
/** {@link Hello} as a type. */
export type Hello = v.InferOutput<typeof Hello>;

/** Absolute, percent-encoded path below the server's root, as in the public URL. */
export const targetPath = v.pipe(v.string(), v.startsWith('/'), v.maxLength(16_384));

/** `POST sessions`: the wishes and abilities of the client. */
export const EstablishRequest = v.object({
  protocol: version,
  direction: v.picklist(['push', 'pull']),
  target: targetPath,
  /** Digest algorithms in order of preference; the server chooses the first that it knows. */
  digests: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(16)),
  /** Wished chunk size in bytes; the server may choose another one within its range. */
  chunkSizeBytes: positive,
  /** Whether that is only an upper limit: the side that knows the size of the tree chooses. */
  isLargestChunkSize: v.optional(v.boolean()),
  /** Wished least number of chunks, where the server chooses their size, which has a lower limit. */
  wishedChunks: v.optional(positive),
  /** Wished number of chunks at a time. */
  parallel: positive,
  /** Id of the manifest that the client would send or has: the server finds an unfinished session by it. */
  manifestId: v.optional(sha256Hex),
  /** Ids of the same entries with other chunk sizes, which the client may have chosen over another line. */
  otherManifestIds: v.optional(v.pipe(v.array(sha256Hex), v.maxLength(4))),
  /** Random, and the same in every attempt of one request: after a lost answer, the next one gets the same session. */
  requestId: v.optional(v.pipe(v.string(), v.regex(SESSION_ID_PATTERN))),
  /** Wished sync mode of a push; the server uses its own, or this one where it is stricter. */
  sync: v.optional(syncMode),
  /** Of a push: whether entries keep their modes against the server's umask. */
  preserveModes: v.optional(v.boolean()),
  /** Of a push: whether the client will ask for what the target has beside its manifest, and for deletions. */
  deletes: v.optional(v.boolean()),
  /** Of a push: where its commit will keep what it replaces and deletes, as `backup` of {@link CommitRequest}. */
  backup: v.optional(targetPath),
  /** Encodings of chunks that the client supports, in order of preference; missing for none. */
  encodings: v.optional(encodings),
  /** The kinds of metadata that the manifest shall carry; missing for none. */
  metadata: v.optional(metadataNames),
});
/** {@link EstablishRequest} as a type. */
export type EstablishRequest = v.InferOutput<typeof EstablishRequest>;

/** `POST resume`: a wish can only make the sync mode of a push stricter; both sides agree on encodings anew. */
export const ResumeRequest = v.object({ sync: v.optional(syncMode), encodings: v.optional(encodings) });
/** {@link ResumeRequest} as a type. */
export type ResumeRequest = v.InferOutput<typeof ResumeRequest>;

/** Answer to establish and to resume: everything that a client needs in this epoch. */
export const SessionTerms = v.object({
  session: v.pipe(v.string(), v.regex(SESSION_ID_PATTERN)),
  credential: v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)),
  epoch: positive,
  state: v.picklist(['establishing', 'open', 'committing', 'committed']),
  direction: v.picklist(['push', 'pull']),
  digest: v.picklist(DIGEST_ALGORITHMS),
  chunkSizeBytes: chunkSize,
  parallel: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(256)),
  /** How long the server keeps the session without requests. */
  leaseMs: positive,
  /** How long the server keeps the session at most. Missing from an older server. */
  endsInMs: v.optional(positive),
  /** How long the authorization of the session is valid, where it ends; an access token renews it. */
  authorizedForMs: v.optional(positive),
  /** Whether the server keeps partial chunks; bytes that a sync point covers outlive a restart. */
  holdsPartialChunks: v.boolean(),
  /** When the server makes sync points of a push. Missing in a pull, and from an older server. */
  sync: v.optional(syncMode),
  /** Encodings of chunks that both sides support, for this epoch; missing for none. */
  encodings: v.optional(encodings),
  /** Of a push: whether a commit can wait for chunks. Missing from an older server. */
  commitAwaitsChunks: v.optional(v.boolean()),
  /** Id of the manifest that the server has; null before it has one. */
  manifestId: v.nullable(sha256Hex),
  /** Whether this session existed before this request. */
  resumed: v.boolean(),
  /**
   * Of a push: what happens to existing files, and whether the server hides from the client which exist. Missing for
   * `replaced`, and for a client that may know them.
   */
  existing: v.optional(v.picklist(['replaced', 'kept', 'renamed'])),
  isBlind: v.optional(v.boolean()),
  /** Of a push: whether entries keep their modes against the server's umask. Missing where they do not. */
  preservesModes: v.optional(v.boolean()),
  /** Of a push: whether it may delete. Missing where it may not, and from an older server. */
  deletes: v.optional(v.boolean()),
  /** Whether a changed file may be carried in parts. Missing where it may not, and from an older server. */
  takesParts: v.optional(v.boolean()),
  /** Of a push: whether the server keeps the blocks of new versions. Missing where it does not, and from an older server. */
  keepsBlocks: v.optional(v.boolean()),
  /** Of a new push: whether its target does not exist yet. */
  isTargetNew: v.optional(v.boolean()),
  /** Of a new pull: the size of the file at its target. */
  fileBytes: v.optional(count),
  /** The kinds of metadata that the manifest carries, of those that were wished; missing for none. */
  metadata: v.optional(metadataNames),
});
/** {@link SessionTerms} as a type. */
export type SessionTerms = v.InferOutput<typeof SessionTerms>;

/**
 * The entries that are not carried: `have` are runs of the indices whose bytes the receiver has, `attributes` those
 * among them whose mode or mtime the commit sets. Runs are `[start, length, start, length, …]`, ascending. `parts` is the
 * id of the document that says of which files only parts are carried; missing where of none.
 */
export const Plan = v.object({ have: runs, attributes: runs, parts: v.optional(sha256Hex) });
/** {@link Plan} without its lists of runs, which the server reads apart. */
export const PlanWithoutRuns = v.omit(Plan, ['have', 'attributes']);
/** {@link Plan} as a type. */
export type Plan = v.InferOutput<typeof Plan>;
/** The plan that leaves nothing out. */
export const EVERYTHING: Plan = { have: [], attributes: [] };

/** Answer to a plan: both sides compute the same layout, or stop here. `null` while a stream's size is unknown. */
export const PlanAccepted = v.object({ chunkCount: v.nullable(count), bytesTotal: v.nullable(count) });
/** {@link PlanAccepted} as a type. */
export type PlanAccepted = v.InferOutput<typeof PlanAccepted>;

/**
 * Answer to a manifest: the plan that the server proposes, and the `candidates` that only a digest can compare.
 * `accepted` where the client wanted an agreement at once and the server has agreed. `older` are files of which the target
 * has another version, so that parts may do; an older server does not tell.
 */
export const Comparison = v.object({
  ...Plan.entries,
  candidates: runs,
  older: v.optional(runs),
  accepted: v.optional(PlanAccepted),
});
/** {@link Comparison} as a type. */
export type Comparison = v.InferOutput<typeof Comparison>;

/** `GET checkpoint`: the durable chunks of the receiver, and the lengths of its partial ones. */
export const CheckpointReply = v.object({
  plan: v.nullable(Plan),
  /** Durable chunks: runs of chunk numbers, and their digests one after the other in base64. */
  chunks: v.object({ runs, digests: v.string() }),
  /** Partial chunks: `[chunk, bytes]`. The message keeps the name that they have on the wire: only two places use it. */
  held: v.array(v.tuple([chunkNumber, positive])),
});
/** {@link CheckpointReply} as a type. */
export type CheckpointReply = v.InferOutput<typeof CheckpointReply>;

/** Answer to a chunk and to sync: the chunk is durable once `durableSyncPoint` has reached its `syncPoint`. */
export const SyncStatus = v.object({ syncPoint: count, durableSyncPoint: count });
/** {@link SyncStatus} as a type. */
export type SyncStatus = v.InferOutput<typeof SyncStatus>;

/** `POST commit`: the client's claim about the whole. `excluded` are runs of entries that are left out. */
export const CommitRequest = v.object({
  digest: sha256Hex,
  bytesTotal: count,
  excluded: runs,
  /** Of a push: whether chunks are still on their way and the server shall wait for them. */
  awaitChunks: v.optional(v.boolean()),
  /** Of a push: whether the answer names entries that cannot be published, and the server publishes the rest. */
  leaveOut: v.optional(v.boolean()),
  /** Of a push: whether an entry of another type replaces a directory with its content. */
  forceReplace: v.optional(v.boolean()),
  /** Of a push: the id of the list of entries to delete once everything is published; missing for none. */
  deletions: v.optional(sha256Hex),
  /** Of a push: the directory that gets files and links which are replaced or deleted, as the path of a URL. */
  backup: v.optional(targetPath),
});
/** {@link CommitRequest} without its list of runs, which the server reads apart. */
export const CommitWithoutRuns = v.omit(CommitRequest, ['excluded']);
/** {@link CommitRequest} as a type. */
export type CommitRequest = v.InferOutput<typeof CommitRequest>;

/**
 * Entries that the receiver could not publish, or whose mode and time it could not set where it had them before: runs
 * of indices for each error code. An unknown code stands for `storage-io`.
 */
export const Unpublished = v.pipe(
  v.array(v.object({ code: v.pipe(v.string(), v.maxLength(64)), entries: runs })),
  v.maxLength(64),
);
/** {@link Unpublished} as a type. */
export type Unpublished = v.InferOutput<typeof Unpublished>;

/** Metadata that the receiver could not keep, by its kind: how many entries, the first of them, and why that one. */
export const Unkept = v.pipe(
  v.array(v.object({ kind: v.string(), entries: count, first: count, code: v.string() })),
  v.maxLength(32),
);
/** {@link Unkept} as a type. */
export type Unkept = v.InferOutput<typeof Unkept>;

/** Answer to commit: `committing` (202): ask again; `committed` (200): the digests agree and the tree is published. */
export const CommitReply = v.object({
  state: v.picklist(['committing', 'committed']),
  entriesDone: count,
  entriesTotal: count,
  digest: sha256Hex,
  /** Of a push that left entries out; `unlisted` counts those that the list has no room for. */
  unpublished: v.optional(Unpublished),
  unlisted: v.optional(count),
  unkept: v.optional(Unkept),
  /** Of a push that deletes. */
  deleted: v.optional(Deleted),
});
/** {@link CommitReply} as a type. */
export type CommitReply = v.InferOutput<typeof CommitReply>;

/** Answer to heartbeat. */
export const HeartbeatReply = v.object({ leaseMs: positive, authorizedForMs: v.optional(positive) });
/** {@link HeartbeatReply} as a type. */
export type HeartbeatReply = v.InferOutput<typeof HeartbeatReply>;

/** `POST digests`: runs of the entry indices whose files the server shall hash now. */
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
