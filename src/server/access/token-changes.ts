/** Changes to the access tokens that are kept, by any process, whether a server runs or not. */
import { randomBytes } from 'node:crypto';
import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { removeTemporaries, replaceFileDurably, syncDirectory } from '../../base/durable-files.ts';
import { CairnError, storageError, systemCodeOf, takesNothing } from '../../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../../base/process-lock.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { createSessionId, hashSecret, issueSecret } from '../../session/credential.ts';
import { FULL_SCOPES, SCOPES } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import { readTokens, writeTokens, type KeptToken } from './token-file.ts';

/** What somebody wants a new token to be. */
export interface TokenWish {
  readonly name: string;
  readonly principal: string;
  /** Of its secret, SHA-256 in 64 hex digits. */
  readonly hash: string;
  readonly scopes: KeptToken['scopes'];
  /** Safe relative path; empty for everything. */
  readonly path: string;
  readonly expiresAtMs: number | undefined;
  readonly quota: Authorization['quota'];
}

/** A first token that was made now; without its secret, which is in the file `token`. */
export type CreatedToken = Pick<KeptToken, 'name' | 'principal' | 'createdAt'>;

/** How long another process may take with the file before whoever waits for it gives up. */
const WAIT_FOR_LOCK_MS = 10_000;
const LOOK_AGAIN_MS = 15;

/** Where the secret of the token lies that a server made at its first start. */
export function firstTokenPath(stateDirectory: string): string {
  return join(stateDirectory, 'token');
}

/**
 * The tokens of a state directory, which exists; where none were ever kept the first one is made.
 *
 * @throws CairnError `config-invalid`, `state-locked`, storage codes
 */
export async function openTokens(
  stateDirectory: string,
): Promise<{ tokens: readonly KeptToken[]; created?: CreatedToken }> {
  try {
    return await locked(stateDirectory, () => ensure(stateDirectory));
  } catch (error) {
    if (!takesNothing(error)) throw error;
    // A full or read-only disk takes no lock either; nothing has to be written where there are tokens.
    const tokens = await readTokens(stateDirectory);
    if (tokens === undefined) throw error;
    return { tokens };
  }
}

/** Adds a token. @throws CairnError `usage` where the name is taken, `config-invalid`, `state-locked`, storage codes */
export function addToken(stateDirectory: string, wish: TokenWish): Promise<KeptToken> {
  return locked(stateDirectory, async () => {
    // The server's own comes first: it is made where there are none, and there are some from now on.
    const { tokens } = await ensure(stateDirectory);
    const { name, expiresAtMs, quota, scopes, ...rest } = wish;
    if (tokens.some((token) => token.name === name)) {
      const message = `there is a token called "${name}"; choose another name, or revoke that one first: cairn token revoke ${name}`;
      throw new CairnError('usage', message);
    }
    const token: KeptToken = {
      // Sessions remember it: whoever is called the same later is somebody else.
      id: `${name}.${randomBytes(9).toString('base64url')}`,
      name,
      ...rest,
      createdAt: new Date().toISOString(),
      scopes: SCOPES.filter((scope) => scopes.includes(scope)),
      ...(expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() }),
      ...(quota === undefined ? {} : { quota }),
    };
    await writeTokens(stateDirectory, [...tokens, token]);
    return token;
  });
}

/**
 * Removes tokens, all or none. With the first one the file with its secret goes.
 *
 * @throws CairnError `not-found` for a name that no token has, `config-invalid`, `state-locked`, storage codes
 */
export function removeTokens(
  stateDirectory: string,
  names: readonly string[],
): Promise<readonly KeptToken[]> {
  return locked(stateDirectory, async () => {
    const tokens = (await readTokens(stateDirectory)) ?? [];
    const unknown = names.find((name) => tokens.every((token) => token.name !== name));
    if (unknown !== undefined) {
      const message = `there is no token called "${unknown}", and nothing was revoked; cairn token list shows all`;
      throw new CairnError('not-found', message);
    }
    const gone = tokens.filter(({ name }) => names.includes(name));
    await writeTokens(
      stateDirectory,
      tokens.filter((token) => !gone.includes(token)),
    );
    await removeSecret(stateDirectory, gone);
    return gone;
  });
}

async function ensure(
  stateDirectory: string,
): Promise<{ tokens: readonly KeptToken[]; created?: CreatedToken }> {
  // A killed process may have left a file with a secret in it; whoever has the lock is the only one that writes.
  await removeTemporaries(stateDirectory, 0);
  const tokens = await readTokens(stateDirectory);
  if (tokens !== undefined) return { tokens };
  const { secret, hash } = issueSecret();
  const created = { name: 'first', principal: createSessionId(), createdAt: new Date().toISOString() };
  const first: KeptToken = { id: createSessionId(), ...created, hash, scopes: [...FULL_SCOPES], path: '' };
  // The secret first: after a crash in between, the next start makes both anew.
  await replaceFileDurably(firstTokenPath(stateDirectory), secret, 0o600);
  await writeTokens(stateDirectory, [first]);
  return { tokens: [first], created };
}

async function removeSecret(stateDirectory: string, gone: readonly KeptToken[]): Promise<void> {
  const path = firstTokenPath(stateDirectory);
  const secret = (await readIfThere(path))?.toString('utf8').trim();
  if (secret === undefined || !gone.some(({ hash }) => hash === hashSecret(secret))) return;
  try {
    await unlink(path);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `removing "${path}"`);
  }
  await syncDirectory(stateDirectory);
}

/** Runs `work` while no other process changes the tokens. */
async function locked<T>(stateDirectory: string, work: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(join(stateDirectory, 'tokens.lock'));
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function waitForLock(directory: string): Promise<ProcessLock> {
  const untilMs = performance.now() + WAIT_FOR_LOCK_MS;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await acquireProcessLock(directory, { code: 'state-locked' });
    } catch (error) {
      const isTaken = error instanceof CairnError && error.code === 'state-locked';
      if (!isTaken || performance.now() > untilMs) throw error;
      // oxlint-disable-next-line no-await-in-loop -- nothing tells when it is free
      await sleep(LOOK_AGAIN_MS * (1 + Math.random()));
    }
  }
}
