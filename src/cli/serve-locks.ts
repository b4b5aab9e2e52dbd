/** What a server takes hold of before it starts, and whoever checks its state, too. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../base/process-lock.ts';
import { printable, RESERVED_NAME } from '../base/safe-path.ts';
import type { ServePlan } from './serve-plan.ts';
import { ensurePrivateDirectory } from './state-home.ts';
import { shellWord } from './words/shell.ts';

/**
 * The real path of a directory that can be served.
 *
 * @throws CairnError `not-found`, `not-directory`, storage codes
 */
export async function usableRoot(path: string): Promise<string> {
  const shown = `"${printable(path)}"`;
  const doing = `looking at the root ${shown}`;
  try {
    const root = await realpath(path);
    if (!(await stat(root)).isDirectory()) {
      throw new CairnError('not-directory', `the root ${shown} is not a directory`);
    }
    await access(root, constants.R_OK | constants.W_OK | constants.X_OK);
    return root;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') {
      throw new CairnError(
        'not-found',
        `the root ${shown} does not exist; make it first: mkdir -p ${shellWord(path)}`,
        {
          cause: error,
        },
      );
    }
    const wrapped = storageError(error, doing);
    if (wrapped.code !== 'storage-denied') throw wrapped;
    throw new CairnError('storage-denied', `the root ${shown} is not writable for this user`, {
      cause: error,
    });
  }
}

/**
 * One server a state, and one server a root: what is staged lies in the root, also where the state does not. Both exist;
 * release what is answered.
 *
 * @throws CairnError `state-locked` while somebody else has them, storage codes
 */
export async function lockServed({ state, root }: Pick<ServePlan, 'state' | 'root'>): Promise<ProcessLock[]> {
  const reserved = await ensurePrivateDirectory(join(root, RESERVED_NAME));
  const directories = [...new Set([await realpath(state), await realpath(reserved)])];
  const locks: ProcessLock[] = [];
  try {
    for (const directory of directories) {
      // oxlint-disable-next-line no-await-in-loop -- in order, so that what was taken is given back
      locks.push(await acquireProcessLock(join(directory, 'lock'), { code: 'state-locked' }));
    }
  } catch (error) {
    await Promise.all(locks.map((lock) => lock.release()));
    if (!(error instanceof CairnError) || error.code !== 'state-locked') throw error;
    const pid = error.details['pid'];
    const who = pid === undefined ? 'another server' : `another server (process ${String(pid)})`;
    const message = `${who} already serves "${printable(root)}" or uses its state; stop it, or serve another root`;
    throw new CairnError('state-locked', message, { cause: error, details: error.details });
  }
  return locks;
}
