/** Opens one version of an object for reading. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { GetOptions, OpenObject } from '../object-store.ts';
import { objectPath } from './key-names.ts';
import { headOf } from './list-objects.ts';
import type { ObjectsPlace } from './place.ts';
import { bytesPath, currentVersion } from './version.ts';

const READ_BYTES = 256 * 1024;
/** Tries, when another node replaces the object between its look-up and its opening. */
const MAX_LOOKS = 100;

/** See `ObjectStore.get`; the key is checked. */
export async function getObject(
  place: ObjectsPlace,
  key: string,
  { from = 0, to = Infinity, unless }: GetOptions,
): Promise<OpenObject | 'unchanged' | undefined> {
  const directory = objectPath(place.keys, key);
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const version = await currentVersion(directory);
    if (version === undefined) return undefined;
    const head = headOf(key, version);
    if (head.etag === unless) return 'unchanged';
    const end = Math.min(to, version.sizeBytes);
    if (from >= end) return { ...head, bytes: nothing(), close: async () => {} };
    const handle = await openVersion(bytesPath(directory, version), key);
    if (handle === undefined) continue;
    return { ...head, bytes: bytesOf(handle, key, from, end), close: () => handle.close() };
  }
  throw new CairnError(
    'server-busy',
    `the object "${printable(key)}" is replaced by others again and again; try again later`,
  );
}

async function openVersion(path: string, key: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `reading the object "${printable(key)}"`);
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* bytesOf(
  handle: FileHandle,
  key: string,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array> {
  const memory = Buffer.allocUnsafe(Math.min(READ_BYTES, to - from));
  try {
    for (let at = from; at < to;) {
      const { bytesRead } = await handle.read(memory, 0, Math.min(memory.byteLength, to - at), at);
      if (bytesRead === 0) {
        const message = `the object "${printable(key)}" is shorter than its name says: ${at} bytes`;
        throw new CairnError('storage-io', message);
      }
      yield memory.subarray(0, bytesRead);
      at += bytesRead;
    }
  } catch (error) {
    throw storageError(error, `reading the object "${printable(key)}"`);
  } finally {
    await handle.close();
  }
}
