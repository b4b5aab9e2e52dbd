/**
 * What `cairn login` keeps: one file an origin in `$XDG_CONFIG_HOME/cairn/credentials`, for its owner only. The tokens in
 * it go to that origin, and to the issuer that made them, and nowhere else.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import * as v from 'valibot';
import { removeFileDurably, replaceFileDurably } from '../../base/durable-files.ts';
import { CairnError, systemCodeOf } from '../../base/errors.ts';
import { waitForProcessLock, type ProcessLock } from '../../base/process-lock.ts';
import { printable } from '../../base/safe-path.ts';
import { configDirectoryOf, ensurePrivateDirectory, hasHome, type Environment } from './user-directories.ts';
import { shellWord } from '../../base/shell.ts';

/** Visible ASCII: anything else could break out of a header. Headers end at 16 KiB. */
const token = v.pipe(v.string(), v.regex(/^[!-~]+$/), v.maxLength(15_000));
const moment = v.pipe(v.number(), v.safeInteger());

const LoginFile = v.object({
  version: v.literal(1),
  /** The server that the tokens are for: `https://host:port`. */
  origin: v.string(),
  issuer: v.string(),
  clientId: v.string(),
  /** The server for which the issuer made the tokens. */
  audience: v.optional(v.string()),
  accessToken: token,
  refreshToken: v.optional(token),
  /** When the access token was made, and when it ends; in milliseconds since 1970. */
  obtainedAtMs: moment,
  expiresAtMs: v.optional(moment),
});

/** A login, as it is kept. */
export type Login = Omit<v.InferOutput<typeof LoginFile>, 'version'>;

const MAX_FILE_BYTES = 64 * 1024;
const MAX_LOCK_WAIT_MS = 60_000;

/** Where the login for an origin is kept. */
export function loginFileOf(env: Environment, origin: string, home?: string): string {
  const name = createHash('sha256').update(origin).digest('hex').slice(0, 32);
  return join(configDirectoryOf(env, home), 'credentials', `${name}.json`);
}

/** Whether logins can be kept at all: a user without a home has no directory for them. */
export function mayHaveLogins(env: Environment): boolean {
  return isAbsolute(env['XDG_CONFIG_HOME'] ?? '') || hasHome();
}

/**
 * The login for an origin that a file holds; undefined where there is none.
 *
 * @throws CairnError `token-unreadable` for a file that others can read, or that is no login for this origin
 */
export async function readLogin(path: string, origin: string): Promise<Login | undefined> {
  const text = await readOwn(path);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message could show a token.
    throw unusable(path, 'it is damaged; run cairn login again');
  }
  const { success, output } = v.safeParse(LoginFile, value);
  if (!success || output.origin !== origin) throw unusable(path, 'it is damaged; run cairn login again');
  return output;
}

/** Keeps a login, durably, in place of the one before. Hold its lock. @throws CairnError, storage codes */
export async function writeLogin(path: string, login: Login): Promise<void> {
  await ensurePrivateDirectory(dirname(path));
  await replaceFileDurably(path, `${JSON.stringify({ version: 1, ...login }, undefined, 2)}\n`, 0o600);
}

/** Forgets a login, durably. Hold its lock. @throws CairnError, storage codes */
export function removeLogin(path: string): Promise<void> {
  return removeFileDurably(path);
}

/**
 * Waits until no other process works with a login: a refresh token is good for one use.
 *
 * @throws CairnError `timeout` when another process never ends it; storage codes
 */
export async function lockLogin(path: string, signal?: AbortSignal): Promise<ProcessLock> {
  await ensurePrivateDirectory(dirname(path));
  try {
    return await waitForProcessLock(path.replace(/\.json$/, '.lock'), { waitMs: MAX_LOCK_WAIT_MS, signal });
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'transfer-locked') throw error;
    throw new CairnError('timeout', `another process still uses the login: ${error.message}`, {
      cause: error,
    });
  }
}

async function readOwn(path: string): Promise<string | undefined> {
  let handle: FileHandle;
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return undefined;
    throw unusable(path, `it cannot be opened (${systemCodeOf(error) ?? String(error)})`);
  }
  try {
    const stat = await handle.stat();
    if (!stat.isFile() || stat.size > MAX_FILE_BYTES) throw unusable(path, 'it is not the file of a login');
    if ((stat.mode & 0o077) !== 0) {
      throw unusable(path, `other users may read it; run: chmod 600 ${shellWord(path)}`);
    }
    if (stat.uid !== process.getuid?.()) throw unusable(path, 'it belongs to another user');
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

function unusable(path: string, why: string): CairnError {
  return new CairnError('token-unreadable', `the login in "${printable(path)}" is not used: ${why}`);
}
