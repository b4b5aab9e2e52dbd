/** The JSON schema of session records in every store; `record.ts` describes the members. */
import * as v from 'valibot';
import { CairnError, isErrorCode, type ErrorCode } from '../base/errors.ts';
import { DIGEST_ALGORITHMS } from '../manifest/digest.ts';
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
const recordSchema = v.object({
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
  direction: v.picklist(['push', 'pull']),
  target: v.string(),
  digest: v.picklist(DIGEST_ALGORITHMS),
  chunkSizeBytes: count,
  parallel: count,
  sync: v.optional(v.picklist(SYNC_MODES)),
  preserveModes: v.optional(v.boolean()),
  keepsTarget: v.optional(v.boolean()),
  encodings: v.optional(v.array(v.picklist(CHUNK_ENCODINGS))),
  durableSyncPoint: v.optional(count),
  state: v.picklist(SESSION_STATES),
  epoch: count,
  credentialHash: v.string(),
  previousCredentialHash: v.optional(v.string()),
  retiredCredentialHashes: v.optional(v.array(v.string())),
  noticedCredentialHashes: v.optional(v.array(v.string())),
  credentialsRevoked: v.optional(v.boolean()),
  rotatedAtMs: v.optional(count),
  manifestId: v.nullable(v.string()),
  holder: v.nullable(v.string()),
  createdAtMs: count,
  leaseExpiresAtMs: count,
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
    }),
  ),
  publisher: v.optional(
    v.object({
      node: v.string(),
      term: count,
      untilMs: count,
      entriesDone: v.optional(count),
      begun: v.optional(v.boolean()),
    }),
  ),
  bytesTotal: v.optional(count),
  bytesDone: v.optional(count),
  manifestBytes: v.optional(count),
  entries: v.optional(count),
  linkBytes: v.optional(count),
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
  const result = v.safeParse(recordSchema, value);
  // Objects of the validator take more than twice the memory of those that JSON.parse makes.
  return result.success ? (JSON.parse(JSON.stringify(result.output)) as SessionRecord) : undefined;
}

/** Refuses a record of a newer cairn. It is not broken, so no caller may rename it or start its session over. */
function refuseNewer(value: unknown, shown: string): void {
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format !== 'number' || format <= RECORD_FORMAT) return;
  const message = `${shown} is a session of a newer cairn (format ${format}): serve with that one, or move it away`;
  throw new CairnError('journal-version', message, { details: { format } });
}
