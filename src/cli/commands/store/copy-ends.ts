/** The two ends of a copy: what a word means, and how an end is opened while no server uses it. */
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable, RESERVED_NAME } from '../../../base/safe-path.ts';
import { holdStore } from '../../../server/core/nodes/hold-store.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { isEmptyStore } from '../../../storage/copy/copy-objects.ts';
import { openLocalDisk } from '../../../storage/disk/local-disk.ts';
import { createObjectContent } from '../../../storage/object-content/object-content.ts';
import type { ObjectStore } from '../../../storage/objects/object-store.ts';
import { openFileState } from '../../../storage/state/files/file-state.ts';
import { openLocalSessionStore } from '../../../storage/state/local-session-store.ts';
import { createObjectState } from '../../../storage/state/objects/object-state.ts';
import type { SessionStore } from '../../../storage/state/session-store.ts';
import { createDocumentSessions } from '../../../storage/state/document-sessions.ts';
import type { StateStore } from '../../../storage/state/state-store.ts';
import { lockServed } from '../../access/served-locks.ts';
import { recordsOf, refuseUnserved, stateOf, usableRoot } from '../../access/served-directories.ts';
import { openStore } from '../../access/shared-store.ts';
import { ensurePrivateDirectory, type Environment } from '../../access/user-directories.ts';
import type { StoreAddress } from '../../options/store-address.ts';

/** An end that is open, and that no server uses. */
export interface CopyEnd {
  /** For people. */
  readonly shown: string;
  /** Tells the end from others. */
  readonly id: string;
  readonly content: ContentStore;
  readonly state: StateStore;
  readonly sessions: SessionStore;
  /** Undefined for a root. */
  readonly objects: ObjectStore | undefined;
  /** Whether nothing is in it yet. */
  isEmpty(): Promise<boolean>;
  /** Aborted where a server or another command has taken it meanwhile. */
  readonly signal: AbortSignal;
  close(): Promise<void>;
}

/** What a directory is: by what is in it. */
export async function kindOfDirectory(word: string): Promise<'root' | 'store' | 'empty'> {
  const path = resolve(word);
  try {
    const names = await readdir(path);
    // A root may have anything published under these two names; no store has the directory of a server.
    if (names.includes('format') && names.includes('keys') && !names.includes(RESERVED_NAME)) return 'store';
    return names.every((name) => name === 'lost+found') ? 'empty' : 'root';
  } catch (error) {
    // The opening says more of what is wrong.
    if (['ENOENT', 'ENOTDIR'].includes(systemCodeOf(error) ?? '')) return 'empty';
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

/** Opens a root with its state; `isNew`: also one that no server has served. @throws CairnError `not-found`, `state-locked`, `config-invalid`, storage codes */
export async function openRootEnd(
  word: string,
  { state: stateWord, isNew }: { readonly state: string | undefined; readonly isNew: boolean },
): Promise<CopyEnd> {
  const root = await usableRoot(resolve(word));
  const state = stateOf(root, stateWord);
  // A wrong state would lose the tokens.
  if (!isNew) await refuseUnserved({ root, state });
  await ensurePrivateDirectory(state);
  const locks = await lockServed({ root, state });
  const lost = new AbortController();
  void locks.lost.then((error) => lost.abort(error));
  try {
    const documents = await openFileState(state);
    const records = recordsOf(state);
    const content = await openLocalDisk(root, { keepOut: [state, records] });
    return {
      shown: root,
      id: root,
      content,
      state: documents,
      sessions: await openLocalSessionStore(records),
      objects: undefined,
      isEmpty: async () => {
        const names = await readdir(root);
        const isOwn = (name: string): boolean => name === RESERVED_NAME || name === 'lost+found';
        return names.every(isOwn) && (await documents.get('a/tokens')) === undefined;
      },
      signal: lost.signal,
      close: async () => {
        await content.close();
        await locks.release();
      },
    };
  } catch (error) {
    await locks.release();
    throw error;
  }
}

/** Opens a store of objects. @throws CairnError as `openStore` and `holdStore` */
export async function openStoreEnd(address: StoreAddress, env: Environment): Promise<CopyEnd> {
  const { objects, shown, id } = await openStore(address, env);
  const state = createObjectState(objects);
  const held = await holdStore({ state, shown });
  return {
    shown,
    id,
    content: createObjectContent(objects, { keepsMetadata: true }),
    state,
    sessions: createDocumentSessions(state),
    objects,
    isEmpty: () => isEmptyStore(objects),
    signal: held.signal,
    close: () => held.release(),
  };
}
