/** Changes the kept access tokens, from any process, whether a server runs or not. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import { SCOPES } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import type { StateStore } from '../../storage/state/state-store.ts';
import { openDocument } from '../../storage/state/typed-document.ts';
import { forgetSecret, openTokens, type TokenStore } from './first-token.ts';
import { TOKENS, type KeptToken } from './kept-token.ts';

/** A wish for a new token. */
export interface TokenWish {
  readonly name: string;
  readonly principal: string;
  /** SHA-256 of its secret in 64 hex digits. */
  readonly hash: string;
  readonly scopes: KeptToken['scopes'];
  /** Safe relative path; empty for everything. */
  readonly path: string;
  readonly expiresAtMs: number | undefined;
  readonly quota: Authorization['quota'];
}

/** The tokens of a state; undefined where none were ever kept. @throws CairnError `config-invalid`, storage codes */
export async function readTokens(state: StateStore): Promise<readonly KeptToken[] | undefined> {
  return (await openDocument(state, TOKENS)).value;
}

/** Adds a token. @throws CairnError `usage` where the name is taken, `config-invalid`, `state-locked`, storage codes */
export async function addToken(store: TokenStore, wish: TokenWish): Promise<KeptToken> {
  // The server's own token comes first: a state that has any tokens never gets one later.
  const { document } = await openTokens(store);
  const { name, principal, hash, path, expiresAtMs, quota, scopes } = wish;
  const token: KeptToken = {
    // A later token with the same name is another one, and sessions remember the id.
    id: `${name}.${randomBytes(9).toString('base64url')}`,
    name,
    principal,
    hash,
    createdAt: new Date().toISOString(),
    scopes: SCOPES.filter((scope) => scopes.includes(scope)),
    path,
    ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
    ...(quota === undefined ? {} : { quota }),
  };
  await document.change((tokens = []) => {
    if (!tokens.some((other) => other.name === name)) return [...tokens, token];
    const message = `there already is a token called "${name}"; choose another name, or revoke that token first: cairn token revoke ${name}`;
    throw new CairnError('usage', message);
  });
  return token;
}

/**
 * Removes tokens, all or none, and with the first token the file of its secret.
 *
 * @throws CairnError `not-found` for a name that no token has, `config-invalid`, `state-locked`, storage codes
 */
export async function removeTokens(
  { state, secretFile }: TokenStore,
  names: readonly string[],
): Promise<readonly KeptToken[]> {
  const document = await openDocument(state, TOKENS);
  let gone: readonly KeptToken[] = [];
  await document.change((tokens = []) => {
    const unknown = names.find((name) => tokens.every((token) => token.name !== name));
    if (unknown !== undefined) {
      const message = `there is no token called "${unknown}", and nothing was revoked; cairn token list shows all`;
      throw new CairnError('not-found', message);
    }
    gone = tokens.filter(({ name }) => names.includes(name));
    return tokens.filter((token) => !gone.includes(token));
  });
  await forgetSecret(secretFile, gone);
  return gone;
}
