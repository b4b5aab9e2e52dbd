/** Access tokens as a document of the state, which has only hashes of their secrets. */
import * as v from 'valibot';
import { checkRelativePath } from '../../base/safe-path.ts';
import { FULL_SCOPES, SCOPES } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import type { DocumentKind } from '../../storage/state/typed-document.ts';

/** A token's name, which appears in messages, logs and command lines. */
export const TOKEN_NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** An owner's name, or an id from an OpenID provider. */
export const OWNER_NAME = /^[\u0021-\u007e]{1,256}$/;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const moment = v.pipe(v.string(), v.isoTimestamp());

/** The first format: each token may do everything, for ever. */
const FirstFormat = v.object({
  version: v.literal(1),
  tokens: v.array(
    v.object({
      name: v.string(),
      principal: v.pipe(v.string(), v.minLength(1)),
      hash,
      createdAt: v.string(),
    }),
  ),
});

// A new version, so that a cairn without scopes does not read it as the first format.
const Format = v.object({
  version: v.literal(2),
  tokens: v.array(
    v.object({
      id: v.pipe(v.string(), v.minLength(1)),
      name: v.pipe(v.string(), v.minLength(1)),
      principal: v.pipe(v.string(), v.minLength(1)),
      hash,
      createdAt: v.string(),
      scopes: v.array(v.picklist(SCOPES)),
      path: v.pipe(v.string(), v.check(isSafe, 'is no safe relative path')),
      expiresAt: v.optional(moment),
      quota: v.optional(v.object({ bytes: v.optional(count), sessions: v.optional(count) })),
    }),
  ),
});

/**
 * A token of the document. `id` is never used again, also where the name is; `path` is a safe relative path that it is
 * confined to, empty for everything; times are ISO 8601.
 */
export type KeptToken = v.InferOutput<typeof Format>['tokens'][number];

/** The access tokens of a state. */
export const TOKENS: DocumentKind<readonly KeptToken[]> = {
  key: 'a/tokens',
  schema: v.pipe(
    v.string(),
    v.parseJson(),
    v.variant('version', [FirstFormat, Format]),
    v.transform((kept) => (kept.version === 1 ? kept.tokens.map(ofFirstFormat) : kept.tokens)),
    v.check((tokens) => isUnique(tokens, 'id'), 'two tokens have the same id'),
    v.check((tokens) => isUnique(tokens, 'name'), 'two tokens have the same name'),
    v.check((tokens) => isUnique(tokens, 'hash'), 'two tokens have the same hash'),
  ),
  format: (tokens) => `${JSON.stringify({ version: 2, tokens }, undefined, 2)}\n`,
  unreadable: (where) =>
    `the access tokens in "${where}" cannot be understood; put back a copy of the file, or move it away together with "token" to start with a new one`,
};

/** The authorization of a kept token. */
export function authorizationOf(token: KeptToken): Authorization {
  const { id, principal, scopes, path: pathPrefix, expiresAt, quota } = token;
  return {
    id: `token:${id}`,
    principal,
    scopes,
    pathPrefix,
    ...(expiresAt === undefined ? {} : { expiresAtMs: Date.parse(expiresAt) }),
    ...(quota === undefined ? {} : { quota }),
  };
}

/** In the first format names were never used again, and sessions remember their authorization by it. */
function ofFirstFormat(token: v.InferOutput<typeof FirstFormat>['tokens'][number]): KeptToken {
  return { id: token.name, ...token, scopes: [...FULL_SCOPES], path: '' };
}

function isUnique(tokens: readonly KeptToken[], key: 'id' | 'name' | 'hash'): boolean {
  return new Set(tokens.map((token) => token[key])).size === tokens.length;
}

function isSafe(path: string): boolean {
  try {
    checkRelativePath(path);
    return true;
  } catch {
    return false;
  }
}
