/** Where the access tokens of a server lie: in a state directory, or in the store that several servers share. */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { firstTokenPath, type TokenStore } from '../../../server/access/first-token.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import { openNodeDirectory, openStore } from '../../access/shared-store.ts';
import { stateOf, usableRoot } from '../../access/served-directories.ts';
import { ensurePrivateDirectory } from '../../access/user-directories.ts';
import { storeAddressOf } from '../../options/store-address.ts';
import { usage } from '../../options/usage.ts';
import type { StateValues } from './token-command.ts';

/** Such a place. */
export interface TokenPlace {
  readonly tokens: TokenStore;
  /** For people. */
  readonly shown: string;
  /** Makes it where it is missing, for the first token. @throws CairnError `not-found`, `storage-denied`, storage codes */
  make(): Promise<void>;
  /** @throws CairnError `storage-denied` where only another user may change it; storage codes */
  checkChangeable(): Promise<void>;
  /** The sessions beside the tokens; undefined where no server ever ran. @throws CairnError storage codes */
  sessions(): Promise<SessionStore | undefined>;
}

/** Tries, since a server removes records while they are read. */
const TRIES = 5;
const PAUSE_MS = 20;

/** Opens the place that is meant, and makes nothing in a state directory. @throws CairnError `usage`, `config-invalid`, storage codes */
export async function openTokenPlace(values: Omit<StateValues, 'json'>): Promise<TokenPlace> {
  const address = storeAddressOf(values);
  if (address === undefined) return placeInState(stateDirectoryOf(values), values.root);
  if (values.root !== undefined)
    throw usage('token takes --root or --store, not both', 'cairn token list --store /mnt/shared/cairn');
  const [{ createObjectState }, { createDocumentSessions }] = await Promise.all([
    import('../../../storage/state/objects/object-state.ts'),
    import('../../../storage/state/document-sessions.ts'),
  ]);
  const opened = await openStore(address);
  const directory = await openNodeDirectory(opened, values.state);
  const state = createObjectState(opened.objects);
  return {
    tokens: { state, secretFile: firstTokenPath(directory) },
    shown: opened.shown,
    make: async () => undefined,
    checkChangeable: async () => undefined,
    sessions: async () => createDocumentSessions(state),
  };
}

/** The state directory that is meant, by the rule of `serve`. @throws CairnError `usage`, `config-invalid` */
export function stateDirectoryOf({ root, state }: Pick<StateValues, 'root' | 'state'>): string {
  if (root !== undefined) return stateOf(resolve(root), state);
  if (state !== undefined) return resolve(state);
  throw usage(
    'token needs --root, the directory that the server serves, --state, the directory of its state, or --store, what several ' +
      'servers share',
    'cairn token list --root /srv/files',
  );
}

async function placeInState(state: string, root: string | undefined): Promise<TokenPlace> {
  const { createFileState } = await import('../../../storage/state/files/file-state.ts');
  return {
    tokens: { state: createFileState(state), secretFile: firstTokenPath(state) },
    shown: state,
    make: async () => {
      if (root !== undefined) await usableRoot(root);
      await refuseForeign(state);
      await ensurePrivateDirectory(state);
    },
    checkChangeable: () => refuseForeign(state),
    sessions: () => readRecords(join(state, 'sessions')),
  };
}

/** A file that this user replaces becomes this user's: a server of another user could then no longer read it. */
async function refuseForeign(state: string): Promise<void> {
  const own = process.getuid?.();
  try {
    const { uid } = await stat(state);
    if (own === undefined || uid === own) return;
    const message = `the state "${printable(state)}" belongs to user ${uid}, and only that user may change its tokens; run this command as that user: sudo -u '#${uid}' …`;
    throw new CairnError('storage-denied', message);
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `looking at "${printable(state)}"`);
  }
}

async function readRecords(sessions: string): Promise<SessionStore | undefined> {
  if (!existsSync(sessions)) return undefined;
  const { openLocalSessionStore } = await import('../../../storage/state/local-session-store.ts');
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await openLocalSessionStore(sessions, { upkeep: 'report' });
    } catch (error) {
      if (attempt === TRIES) throw error;
      // To come between two changes.
      await sleep(PAUSE_MS);
    }
  }
}
