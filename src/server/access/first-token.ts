/**
 * The token that a server makes at its first start. Its secret lies in a file that only its owner can read, so that a
 * client of the same user finds it; no document has it, and no other machine.
 *
 * The secret is written first, to a file named by its hash, which gets its own name once the token is kept. So of
 * several processes that start together one keeps its token, and a crash in between loses nothing.
 */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createFileDurably, removeFileDurably, replaceFileDurably } from '../../base/durable-files.ts';
import { storageError } from '../../base/errors.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { printable } from '../../base/safe-path.ts';
import { createSessionId, hashSecret, issueSecret } from '../../session/credential.ts';
import { FULL_SCOPES } from '../../session/scopes.ts';
import type { StateStore } from '../../storage/state/state-store.ts';
import { openDocument, type TypedDocument } from '../../storage/state/typed-document.ts';
import { TOKENS, type KeptToken } from './kept-token.ts';

/** Where a server keeps its tokens. */
export interface TokenStore {
  readonly state: StateStore;
  /** The file with the secret of the first token, on this machine; its directory exists. */
  readonly secretFile: string;
}

/** The path of the first token's secret in a state directory. */
export function firstTokenPath(stateDirectory: string): string {
  return join(stateDirectory, 'token');
}

/** A first token that was just made; without its secret, which lies in its file. */
export type CreatedToken = Pick<KeptToken, 'name' | 'principal' | 'createdAt'>;

/** The tokens of a state, with the first one. */
export interface OpenedTokens {
  readonly document: TypedDocument<readonly KeptToken[]>;
  readonly created?: CreatedToken;
}

/**
 * Opens the tokens of a state; makes the first one where there were never any. Writes nothing where there are some.
 *
 * @throws CairnError `config-invalid`, `state-locked`, storage codes
 */
export async function openTokens(
  { state, secretFile }: TokenStore,
  onChange?: (tokens: readonly KeptToken[]) => void,
): Promise<OpenedTokens> {
  const document = await openDocument(state, TOKENS, onChange);
  const created = document.value === undefined ? await makeFirst(document, secretFile) : undefined;
  await nameSecret(document.value ?? [], secretFile);
  return { document, ...(created === undefined ? {} : { created }) };
}

/**
 * Removes the file with the secret of the first token, if that token is among the removed ones. @throws storage codes
 */
export async function forgetSecret(secretFile: string, gone: readonly KeptToken[]): Promise<void> {
  const secret = (await readIfThere(secretFile))?.toString('utf8').trim();
  if (secret !== undefined && gone.some(({ hash }) => hash === hashSecret(secret)))
    await removeFileDurably(secretFile);
}

/** Undefined where another process was faster. */
async function makeFirst(
  document: TypedDocument<readonly KeptToken[]>,
  secretFile: string,
): Promise<CreatedToken | undefined> {
  const { secret, hash } = issueSecret();
  const created = { name: 'first', principal: createSessionId(), createdAt: new Date().toISOString() };
  const first: KeptToken = { id: createSessionId(), ...created, hash, scopes: [...FULL_SCOPES], path: '' };
  await createFileDurably(`${unnamed(secretFile)}${hash}`, secret);
  await document.change((now) => now ?? [first]);
  return document.value?.some((token) => token.hash === hash) === true ? created : undefined;
}

/** The name of a secret file, before its hash, until its token is kept. */
function unnamed(secretFile: string): string {
  return `${secretFile}.of-`;
}

/** Gives its own name to the secret of a kept token, and removes the secrets of tokens that were never kept. */
async function nameSecret(tokens: readonly KeptToken[], secretFile: string): Promise<void> {
  const directory = dirname(secretFile);
  const begin = basename(unnamed(secretFile));
  for (const name of await namesIn(directory)) {
    if (!name.startsWith(begin)) continue;
    const path = join(directory, name);
    const secret = (await readIfThere(path))?.toString('utf8');
    if (secret !== undefined && tokens.some(({ hash }) => hash === hashSecret(secret)))
      await replaceFileDurably(secretFile, secret, 0o600);
    await removeFileDurably(path);
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    throw storageError(error, `reading "${printable(directory)}"`);
  }
}
