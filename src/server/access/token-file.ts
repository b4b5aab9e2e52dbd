/** `tokens.json` of a state directory: what is kept of access tokens. Of their secrets it has only hashes. */
import { join } from 'node:path';
import * as v from 'valibot';
import { replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { checkRelativePath, printable } from '../../base/safe-path.ts';
import { FULL_SCOPES, SCOPES } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';

/** What a token may be called: it stands in messages, logs and command lines. */
export const TOKEN_NAME = /^[A-Za-z0-9._-]{1,64}$/;
/** What an owner may be called: an id of somebody else's making, as of an OpenID provider, too. */
export const OWNER_NAME = /^[\u0021-\u007e]{1,256}$/;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const moment = v.pipe(v.string(), v.isoTimestamp());

/** The first format: each of these tokens may do everything, for ever. */
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

// Another version than before, so that a cairn that knows nothing of scopes does not take it for the same.
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
 * A token as it is kept. `id` is never used again, also where the name is; `path` is a safe relative path that it is
 * confined to, empty for everything; times are ISO 8601.
 */
export type KeptToken = v.InferOutput<typeof Format>['tokens'][number];

/** Where the tokens of a state directory are. */
export function tokensPath(stateDirectory: string): string {
  return join(stateDirectory, 'tokens.json');
}

/**
 * The tokens of a state directory; undefined where none were ever kept.
 *
 * @throws CairnError `config-invalid` for a file that cannot be understood; storage codes
 */
export async function readTokens(stateDirectory: string): Promise<readonly KeptToken[] | undefined> {
  const path = tokensPath(stateDirectory);
  const bytes = await readIfThere(path);
  if (bytes === undefined) return undefined;
  try {
    return unique(parse(JSON.parse(bytes.toString('utf8'))));
  } catch (error) {
    const message = `the access tokens in "${printable(path)}" cannot be understood; put back a copy of the file, or move it away together with "token" to start with a new one`;
    throw new CairnError('config-invalid', message, { cause: error });
  }
}

/** Keeps tokens in place of those before. Only under the lock of the file. @throws CairnError, storage codes */
export function writeTokens(stateDirectory: string, tokens: readonly KeptToken[]): Promise<void> {
  const text = `${JSON.stringify({ version: 2, tokens }, undefined, 2)}\n`;
  return replaceFileDurably(tokensPath(stateDirectory), text, 0o600);
}

/** What a kept token allows. */
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

function parse(value: unknown): readonly KeptToken[] {
  const isFirst = v.is(v.object({ version: v.literal(1) }), value);
  if (!isFirst) return v.parse(Format, value).tokens;
  // Names were never used again then, and sessions remember what they were authorized by.
  return v.parse(FirstFormat, value).tokens.map((token) => ({
    id: token.name,
    ...token,
    scopes: [...FULL_SCOPES],
    path: '',
  }));
}

function unique(tokens: readonly KeptToken[]): readonly KeptToken[] {
  for (const key of ['id', 'name', 'hash'] as const) {
    if (new Set(tokens.map((token) => token[key])).size < tokens.length)
      throw new Error(`two tokens have the same ${key}`);
  }
  return tokens;
}

function isSafe(path: string): boolean {
  try {
    checkRelativePath(path);
    return true;
  } catch {
    return false;
  }
}
