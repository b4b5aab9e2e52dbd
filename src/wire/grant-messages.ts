/** The JSON messages about transfer grants, with their validators. */
import * as v from 'valibot';
import { SESSION_ID_PATTERN, targetPath } from './messages.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const positive = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const id = v.pipe(v.string(), v.regex(SESSION_ID_PATTERN));
const direction = v.picklist(['push', 'pull']);

/** Longest lifetime of a grant: ten years. */
export const MAX_GRANT_MS = 3650 * 86_400_000;

/** `POST grants`: what the grant shall allow its holder. */
export const GrantRequest = v.object({
  direction,
  /** Absolute, percent-encoded path below the server's root: the grant allows this and everything below. */
  target: targetPath,
  expiresInMs: v.pipe(v.number(), v.safeInteger(), v.minValue(1000), v.maxValue(MAX_GRANT_MS)),
  /** Of a push: what it may do to existing files; `write` where it is missing. */
  scope: v.optional(v.picklist(['write', 'append', 'drop'])),
  /** Most payload bytes of its pushes in all. */
  maxBytes: v.optional(positive),
  /** Random, and the same in every attempt of one request: after a lost answer, the next one gets the same grant. */
  requestId: v.optional(id),
});
/** {@link GrantRequest} as a type. */
export type GrantRequest = v.InferOutput<typeof GrantRequest>;

/** A grant, as the server shows it to its issuer. `ended`: the token that issued it is revoked or expired. */
export const GrantInfo = v.object({
  id,
  direction,
  target: targetPath,
  /** Missing from an older server. */
  scopes: v.optional(v.array(v.pipe(v.string(), v.maxLength(64)))),
  state: v.picklist(['valid', 'revoked', 'ended']),
  createdAtMs: count,
  expiresAtMs: count,
  maxBytes: v.nullable(positive),
});
/** {@link GrantInfo} as a type. */
export type GrantInfo = v.InferOutput<typeof GrantInfo>;

/** Answer to `POST grants`: the grant itself is a secret, an access token for its holder. */
export const GrantReply = v.object({
  ...GrantInfo.entries,
  grant: v.pipe(v.string(), v.regex(/^[\w-]+\.[\w-]+\.[\w-]+$/), v.maxLength(4096)),
});
/** {@link GrantReply} as a type. */
export type GrantReply = v.InferOutput<typeof GrantReply>;

/** Answer to `GET grants`. */
export const GrantList = v.object({ grants: v.array(GrantInfo) });
/** {@link GrantList} as a type. */
export type GrantList = v.InferOutput<typeof GrantList>;
