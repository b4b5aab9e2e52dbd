/** The directory that a server serves, and that of its state: for `cairn serve`, and for the tokens that lie there. */
import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { printable, RESERVED_NAME } from '../../base/safe-path.ts';
import { shellWord } from '../../base/shell.ts';

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
    await access(root, constants.R_OK | constants.X_OK);
    await access(root, constants.W_OK).catch((error: unknown) => {
      // A snapshot or a read-only export can be pulled from.
      if (systemCodeOf(error) !== 'EROFS') throw error;
    });
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
    throw new CairnError('storage-denied', `this user cannot read and write the root ${shown}`, {
      cause: error,
    });
  }
}

/**
 * Where the state of a server is. It has the server's tokens: inside the root only the reserved directory is never served.
 *
 * @throws CairnError `config-invalid`
 */
export function stateOf(root: string, word: string | undefined): string {
  const reserved = join(root, RESERVED_NAME);
  if (word === undefined) return reserved;
  const state = resolve(word);
  const [first] = relative(root, state).split(sep);
  if (first === '..' || first === RESERVED_NAME) return state;
  throw stateInside(root, state);
}

/** The error for a state that would be served. */
export function stateInside(root: string, state: string): CairnError {
  return new CairnError(
    'config-invalid',
    `--state "${printable(state)}" lies inside the root, where it would be served; ` +
      `leave the option out (for "${printable(join(root, RESERVED_NAME))}"), or name a directory outside of the root`,
  );
}

/** Where the records of sessions are in a state. */
export function recordsOf(state: string): string {
  return join(state, 'sessions');
}

/** Refuses a root and a state that no server has had, as a wrong `--state` is. @throws CairnError `config-invalid`, storage codes */
export async function refuseUnserved({
  root,
  state,
}: {
  readonly root: string;
  readonly state: string;
}): Promise<void> {
  const records = recordsOf(state);
  try {
    if ((await stat(records)).isDirectory()) return;
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `looking at "${printable(records)}"`);
  }
  throw new CairnError(
    'config-invalid',
    `there are no sessions of a server in "${printable(state)}"; give the same --root (here "${printable(root)}") and ` +
      '--state as to the server',
  );
}
