/** The store of objects that several servers share: for `cairn serve`, and for the tokens that lie there. */
import { createHash } from 'node:crypto';
import { realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { networkFileSystemOf } from '../../base/network-file-system.ts';
import { printable } from '../../base/safe-path.ts';
import { shellWord } from '../../base/shell.ts';
import type { OwnDirectory } from '../../server/core/own-paths.ts';
import type { StoragePlace } from '../../server/operations/readiness.ts';
import type { ObjectStore } from '../../storage/objects/object-store.ts';
import type { StoreAddress } from '../options/store-address.ts';
import { ensurePrivateDirectory, openStateHome } from './user-directories.ts';

/** A store of objects that is open; there is nothing to close. */
export interface OpenStore {
  readonly objects: ObjectStore;
  /** For people: the path of the directory. */
  readonly shown: string;
  /** The same for every process that has the store open, however its address was written. */
  readonly id: string;
  /** Its places for the monitor of a server, and its paths, which no client learns. */
  readonly places: readonly StoragePlace[];
  readonly ownDirectories: readonly OwnDirectory[];
}

/** File systems whose hosts see a rename at once; the directory of a store may lie on them. */
const COHERENT: ReadonlySet<string> = new Set(['CephFS', 'GPFS', 'Lustre', 'GFS2', 'OCFS2']);

/**
 * Opens a store.
 *
 * @throws CairnError `not-found`, `not-directory`, `config-invalid` for a directory that cannot be a store;
 * `journal-version` for the store of a newer cairn; storage codes
 */
export async function openStore({ directory }: StoreAddress): Promise<OpenStore> {
  const path = await existingDirectory(directory);
  await refuseIncoherent(path);
  const [{ openDirectoryObjects }, { storagePlace }] = await Promise.all([
    import('../../storage/objects/directory/directory-objects.ts'),
    import('../../storage/disk/tree/storage-place.ts'),
  ]);
  return {
    objects: await openDirectoryObjects(path),
    shown: path,
    id: path,
    places: [storagePlace('store', path, join(path, 'drafts'))],
    ownDirectories: [{ path, shownAs: '(store)' }],
  };
}

/**
 * The directory of this machine with what a server of a store keeps for itself, the secret of the first token: `--state`, or
 * one for each store in the state home of the user. Makes it.
 *
 * @throws CairnError `owner-untrusted`, `usage`, storage codes
 */
export async function openNodeDirectory({ id }: OpenStore, state: string | undefined): Promise<string> {
  if (state !== undefined) return ensurePrivateDirectory(resolve(state));
  const name = createHash('sha256').update(id).digest('hex').slice(0, 16);
  return ensurePrivateDirectory(join(await openStateHome(), 'stores', name));
}

/** A directory that is missing may be one that is not mounted yet: it is not made. */
async function existingDirectory(path: string): Promise<string> {
  const shown = `"${printable(path)}"`;
  try {
    const real = await realpath(path);
    if ((await stat(real)).isDirectory()) return real;
  } catch (error) {
    if (systemCodeOf(error) !== 'ENOENT') throw storageError(error, `looking at the store ${shown}`);
    const message = `the store ${shown} does not exist; make it first: mkdir -m 700 ${shellWord(path)}`;
    throw new CairnError('not-found', message, { cause: error });
  }
  throw new CairnError('not-directory', `the store ${shown} is not a directory`);
}

async function refuseIncoherent(path: string): Promise<void> {
  const name = await networkFileSystemOf(path);
  if (name === undefined || COHERENT.has(name)) return;
  throw new CairnError(
    'config-invalid',
    `the store "${printable(path)}" lies on a network file system (${name}) whose hosts do not see each other's renames at once, ` +
      'so that two servers could both believe that they have changed it; use CephFS, or a disk of one machine',
  );
}
