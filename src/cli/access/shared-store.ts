/** The store of objects that several servers share: for `cairn serve`, and for the tokens that lie there. */
import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { networkFileSystemOf } from '../../base/network-file-system.ts';
import { printable } from '../../base/safe-path.ts';
import { shellWord } from '../../base/shell.ts';
import type { OwnDirectory } from '../../server/core/own-paths.ts';
import type { StoragePlace } from '../../server/operations/readiness.ts';
import type { ObjectStore } from '../../storage/objects/object-store.ts';
import type { BucketAddress, DirectoryAddress, StoreAddress } from '../options/store-address.ts';
import { ensurePrivateDirectory, openStateHome, type Environment } from './user-directories.ts';

/** A store of objects that is open; there is nothing to close. */
export interface OpenStore {
  readonly objects: ObjectStore;
  /** For people: the path of the directory, or the URL of the bucket. */
  readonly shown: string;
  /** The same for every process that has the store open, however its address was written. */
  readonly id: string;
  /** Its places for the monitor of a server, and its paths, which no client learns. */
  readonly places: readonly StoragePlace[];
  readonly ownDirectories: readonly OwnDirectory[];
}

/** How long the service of a role may be silent: where there is none, nothing answers. */
const ROLE_SILENCE_MS = 2000;
/** File systems whose hosts see a rename at once; the directory of a store may lie on them. */
const COHERENT: ReadonlySet<string> = new Set(['CephFS', 'GPFS', 'Lustre', 'GFS2', 'OCFS2']);

/**
 * Opens a store.
 *
 * @throws CairnError `not-found`, `not-directory`, `config-invalid` for what cannot be a store; `storage-unsupported` for a
 * service without compare-and-set; `journal-version` for the store of a newer cairn; `server-busy`; storage codes
 */
export function openStore(address: StoreAddress, env: Environment = process.env): Promise<OpenStore> {
  return 'directory' in address ? openDirectory(address) : openBucket(address, env);
}

async function openDirectory({ directory }: DirectoryAddress): Promise<OpenStore> {
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

/** Options count first, then the variables of AWS. */
async function openBucket({ url, endpoint, region }: BucketAddress, env: Environment): Promise<OpenStore> {
  const [{ openS3Objects }, { parseS3Place }, { createS3Credentials }, { createExchanger }] =
    await Promise.all([
      import('../../storage/objects/s3/open-s3-objects.ts'),
      import('../../storage/objects/s3/s3-place.ts'),
      import('../../storage/objects/s3/s3-credentials.ts'),
      import('../../storage/objects/s3/http-exchange.ts'),
    ]);
  const place = parseS3Place({
    url,
    endpoint: endpoint ?? variable(env, 'AWS_ENDPOINT_URL_S3') ?? variable(env, 'AWS_ENDPOINT_URL'),
    region: region ?? variable(env, 'AWS_REGION') ?? variable(env, 'AWS_DEFAULT_REGION'),
  });
  const bundle = variable(env, 'AWS_CA_BUNDLE');
  const ca = bundle === undefined ? undefined : await readAuthorities(bundle);
  const exchange = createExchanger(ca, ROLE_SILENCE_MS);
  const credentials = createS3Credentials({ env, region: place.region, exchange });
  const shown = url.replace(/\/$/, '');
  const objects = await openS3Objects(place, { credentials, ca, shown });
  return {
    objects,
    shown,
    id: `${place.origin.href} ${place.bucket} ${place.prefix}`,
    places: [storePlace(objects)],
    ownDirectories: [],
  };
}

/** A bucket is as full as its bill: only whether it answers can be told. */
function storePlace(objects: ObjectStore): StoragePlace {
  return {
    name: 'store',
    checkWritable: async () => void (await objects.now()),
    freeBytes: async () => undefined,
  };
}

function variable(env: Environment, name: string): string | undefined {
  const word = env[name];
  return word === '' ? undefined : word;
}

async function readAuthorities(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw storageError(error, `reading AWS_CA_BUNDLE, "${printable(path)}"`);
  }
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
