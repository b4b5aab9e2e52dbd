/** The JSON schema of session records in every store; `record.ts` describes the members. */
import * as v from 'valibot';
import { CairnError, isErrorCode, type ErrorCode } from '../base/errors.ts';
import { DIGEST_ALGORITHMS } from '../manifest/digest.ts';
import { METADATA_KINDS } from '../manifest/metadata.ts';
import { CHUNK_ENCODINGS } from './encoding.ts';
import { isMomentReason, MOMENT_KINDS, type MomentReason } from './history.ts';
import type { SessionRecord } from './record.ts';
import { SCOPES } from './scopes.ts';
import { SESSION_STATES } from './session-states.ts';
import { SYNC_MODES } from './sync-mode.ts';

/** Records without a `format` have this one. */
const RECORD_FORMAT = 1;
const ID = /^[A-Za-z0-9_-]{1,64}$/;

/** Whether a text may be the id of a session. */
export function isSessionId(text: string): boolean {
  return ID.test(text);
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const quota = v.object({ bytes: v.optional(count), sessions: v.optional(count) });
/** Of the conversation. */
const sessionSchema = v.object({
  id: v.pipe(v.string(), v.regex(ID)),
  version: count,
  principal: v.string(),
  authorization: v.optional(
    v.object({
      id: v.string(),
      principal: v.string(),
      scopes: v.array(v.picklist(SCOPES)),
      pathPrefix: v.string(),
      expiresAtMs: v.optional(count),
      quota: v.optional(quota),
      issuer: v.optional(v.object({ id: v.string(), quota: v.optional(quota) })),
    }),
  ),
  target: v.string(),
  parallel: count,
  encodings: v.optional(v.array(v.picklist(CHUNK_ENCODINGS))),
  state: v.picklist(SESSION_STATES),
  epoch: count,
  credentialHash: v.string(),
  previousCredentialHash: v.optional(v.string()),
  retiredCredentialHashes: v.optional(v.array(v.string())),
  noticedCredentialHashes: v.optional(v.array(v.string())),
  credentialsRevoked: v.optional(v.boolean()),
  rotatedAtMs: v.optional(count),
  holder: v.nullable(v.string()),
  createdAtMs: count,
  leaseExpiresAtMs: count,
  publisher: v.optional(
    v.object({
      node: v.string(),
      term: count,
      untilMs: count,
      entriesDone: v.optional(count),
      begun: v.optional(v.boolean()),
    }),
  ),
  lastError: v.optional(
    v.object({ atMs: count, code: v.custom<ErrorCode>(isErrorCode), message: v.string() }),
  ),
  history: v.optional(
    v.array(
      v.object({
        atMs: count,
        what: v.picklist(MOMENT_KINDS),
        epoch: count,
        by: v.optional(v.string()),
        from: v.optional(v.string()),
        why: v.optional(v.custom<MomentReason>(isMomentReason)),
      }),
    ),
  ),
});

/** Of the pass. Its members and those of the conversation lie side by side in one object. */
const passSchema = v.object({
  direction: v.picklist(['push', 'pull']),
  manifestId: v.nullable(v.string()),
  digest: v.picklist(DIGEST_ALGORITHMS),
  chunkSizeBytes: count,
  sync: v.optional(v.picklist(SYNC_MODES)),
  preserveModes: v.optional(v.boolean()),
  keepsTarget: v.optional(v.boolean()),
  metadata: v.optional(v.array(v.picklist(METADATA_KINDS))),
  uncarried: v.optional(v.partial(v.object({ 'set-id bits': count, 'system attributes': count }))),
  durableSyncPoint: v.optional(count),
  bytesTotal: v.optional(count),
  bytesDone: v.optional(count),
  manifestBytes: v.optional(count),
  entries: v.optional(count),
  linkBytes: v.optional(count),
  deletions: v.optional(v.object({ id: v.string(), entries: count, bytes: count })),
  commit: v.nullable(
    v.object({
      digest: v.string(),
      bytesTotal: count,
      excluded: v.array(count),
      entriesTotal: count,
      leaveOut: v.optional(v.boolean()),
      forceReplace: v.optional(v.boolean()),
      unpublished: v.optional(v.array(v.object({ code: v.string(), entries: v.array(count) }))),
      unlisted: v.optional(count),
      unkept: v.optional(
        v.array(v.object({ kind: v.string(), entries: count, first: count, code: v.string() })),
      ),
      deletions: v.optional(v.string()),
      backup: v.optional(v.string()),
      deleted: v.optional(
        v.object({
          entries: count,
          bytes: count,
          isSkipped: v.optional(v.boolean()),
          kept: v.array(v.object({ code: v.string(), path: v.string() })),
          unlisted: count,
        }),
      ),
    }),
  ),
});

/**
 * The record in a JSON text; undefined where the text is no valid record. `shown` names the document in errors.
 *
 * @throws CairnError `journal-version` for a record of a newer cairn
 */
export function parseRecord(text: string, shown: string): SessionRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined; // no JSON is as invalid as any other text
  }
  refuseNewer(value, shown);
  // Each takes its own members, and nobody else's.
  const session = v.safeParse(sessionSchema, value);
  const pass = v.safeParse(passSchema, value);
  if (!session.success || !pass.success) return undefined;
  // Objects of the validator take more than twice the memory of those that JSON.parse makes.
  return JSON.parse(JSON.stringify({ ...session.output, pass: pass.output })) as SessionRecord;
}

/** The JSON text of a record, from which {@link parseRecord} gets it back. */
export function formatRecord({ pass, ...session }: SessionRecord): string {
  return JSON.stringify({ ...session, ...pass });
}

/** Refuses a record of a newer cairn. It is not broken, so no caller may rename it or start its session over. */
function refuseNewer(value: unknown, shown: string): void {
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'number' || format <= RECORD_FORMAT) return;
  const message = `${shown} is a session of a newer cairn (format ${format}): serve with that one, or move it away`;
  throw new CairnError('journal-version', message, { details: { format } });
}
