/** Where this user's checkpoints and server registrations live on this machine. */
import { statSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, isAbsolute, join, resolve } from 'node:path';
import { makePrivateDirectory } from '../../base/durable-files.ts';
import { isOwn, refuseExchangeable } from '../../base/ownership.ts';
import { RESERVED_NAME } from '../../base/safe-path.ts';
import { CairnError, storageError, type ErrorCode } from '../../base/errors.ts';
import { refuseEmptyVariable } from '../options/empty-words.ts';

/** The variables of the environment that cairn reads. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The user's home. @throws CairnError `usage` where there is none, as for a number that no user of this machine has */
export function homeOf(remedy: string): string {
  try {
    return homedir();
  } catch (error) {
    throw new CairnError('usage', `this user has no home directory; set ${remedy}`, { cause: error });
  }
}

/** Whether this user has a home. */
export function hasHome(): boolean {
  try {
    return homedir() !== '';
  } catch {
    return false; // the caller that needs one says what for
  }
}

/**
 * `$XDG_CONFIG_HOME/cairn`, else `~/.config/cairn`. The variable counts only as an absolute path, as its rules say.
 *
 * @throws CairnError `usage` for a user without a home
 */
export function configDirectoryOf(env: Environment, home?: string): string {
  const xdg = env['XDG_CONFIG_HOME'];
  const config =
    xdg !== undefined && isAbsolute(xdg) ? xdg : join(home ?? homeOf('XDG_CONFIG_HOME'), '.config');
  return join(config, 'cairn');
}

/** `CAIRN_STATE_HOME`, else `$XDG_STATE_HOME/cairn`, else `~/.local/state/cairn`. @throws CairnError `usage` */
export function stateHomeOf(env: Environment, home?: string): string {
  const own = env['CAIRN_STATE_HOME'];
  refuseEmptyVariable('CAIRN_STATE_HOME', own);
  if (own !== undefined) return resolve(own);
  const xdg = env['XDG_STATE_HOME'];
  // The XDG specification says that a relative path is to be ignored.
  if (xdg !== undefined && isAbsolute(xdg)) return join(xdg, 'cairn');
  return join(home ?? homeOf('CAIRN_STATE_HOME to a directory for checkpoints'), '.local', 'state', 'cairn');
}

/**
 * Makes the directory at `path` for this user only, also where it was there with wider permissions.
 *
 * @throws CairnError `owner-untrusted` where another user may have a hand in it; storage codes
 */
export async function ensurePrivateDirectory(path: string): Promise<string> {
  await makePrivateDirectory(path);
  // A root may be meant for many; what is read of the state in it is looked at file by file.
  if (basename(path) !== RESERVED_NAME) refuseExchangeable(path);
  return path;
}

/** Where nothing can be written much can still be done; what has to write something tells so then. */
const UNWRITABLE: ReadonlySet<ErrorCode> = new Set(['storage-read-only', 'storage-denied', 'storage-full']);

/**
 * {@link stateHomeOf}, or a directory below it that is root's own: root may write in the state home of another user, as with
 * `sudo -E`, and takes nothing that lies there for its own.
 */
export function ownStateHomeOf(env: Environment): string {
  const path = stateHomeOf(env);
  if (process.geteuid?.() !== 0) return path;
  const there = statSync(path, { throwIfNoEntry: false });
  return there === undefined || isOwn(there) ? path : join(path, 'user-0');
}

/** {@link ownStateHomeOf} this process, made if it is missing, and if that can be. @throws CairnError, storage codes */
export async function openStateHome(env: Environment = process.env): Promise<string> {
  const path = ownStateHomeOf(env);
  try {
    return await ensurePrivateDirectory(path);
  } catch (error) {
    const failure = storageError(error, `making "${path}"`);
    if (UNWRITABLE.has(failure.code)) return path;
    const { code, message } = failure;
    throw new CairnError(code, `${message}; set CAIRN_STATE_HOME to a directory where you can write`, {
      cause: error,
    });
  }
}
