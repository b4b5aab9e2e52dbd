/**
 * Access tokens: who may use a server. Only hashes are kept, in `tokens.json` of the state directory; the secret of the
 * first token lies beside it in `token`, readable by its owner only, so that a client of the same user finds it.
 */
import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { makePrivateDirectory, removeTemporaries, replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { createSessionId, hashSecret, issueSecret } from '../../session/credential.ts';
import { SCOPES, type Authenticator } from './authorization.ts';

const TokenFile = v.object({
  version: v.literal(1),
  tokens: v.array(
    v.object({
      name: v.string(),
      principal: v.pipe(v.string(), v.minLength(1)),
      hash: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
      createdAt: v.string(),
    }),
  ),
});

/** A token as it is kept. */
type KeptToken = v.InferOutput<typeof TokenFile>['tokens'][number];

/** Access tokens that are kept in a state directory. */
export interface OpenedAccessTokens extends Authenticator {
  /** The token that was made now, on the first start; without its secret, which is in `tokenFile`. */
  readonly created?: { readonly name: string; readonly principal: string; readonly createdAt: string };
  /** Path of the file with the secret of the token that the server made. */
  readonly tokenFile: string;
}

/**
 * Opens the access tokens of a server and makes the first one where there are none. One process at a time may do so.
 *
 * @throws CairnError `config-invalid` for a `tokens.json` that cannot be understood; storage codes
 */
export async function openAccessTokens(stateDirectory: string): Promise<OpenedAccessTokens> {
  const tokenFile = join(stateDirectory, 'token');
  // A killed server may have left one with a secret in it.
  await removeTemporaries(stateDirectory, 0);
  const kept = await readTokens(join(stateDirectory, 'tokens.json'));
  if (kept !== undefined) return { ...matcher(kept), tokenFile };
  await makePrivateDirectory(stateDirectory);
  const { secret, hash } = issueSecret();
  const created = { name: 'first', principal: createSessionId(), createdAt: new Date().toISOString() };
  // The secret first: after a crash in between, the next start makes both anew.
  await replaceFileDurably(tokenFile, secret, 0o600);
  const tokens = [{ ...created, hash }];
  const text = `${JSON.stringify({ version: 1, tokens }, undefined, 2)}\n`;
  await replaceFileDurably(join(stateDirectory, 'tokens.json'), text, 0o600);
  return { ...matcher(tokens), created, tokenFile };
}

function matcher(tokens: readonly Pick<KeptToken, 'principal' | 'hash' | 'name'>[]): Authenticator {
  const known = tokens.map(({ principal, hash, name }) => ({
    authorization: { id: `token:${name}`, principal, scopes: SCOPES, pathPrefix: '' },
    hash: Buffer.from(hash, 'hex'),
  }));
  return {
    authenticate: async ({ bearer }) => {
      if (bearer === undefined) return undefined;
      const hash = Buffer.from(hashSecret(bearer), 'hex');
      // Every one is compared, so that the time says nothing about which one it was.
      const found = known.filter((token) => timingSafeEqual(token.hash, hash));
      return found[0]?.authorization;
    },
    stands: ({ id }) =>
      id.startsWith('token:') ? known.some(({ authorization }) => authorization.id === id) : undefined,
  };
}

async function readTokens(path: string): Promise<KeptToken[] | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading the access tokens in "${path}"`);
  }
  try {
    return v.parse(TokenFile, JSON.parse(text)).tokens;
  } catch (error) {
    throw new CairnError('config-invalid', `the access tokens in "${path}" cannot be understood`, {
      cause: error,
    });
  }
}
