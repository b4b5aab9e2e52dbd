/** Objects in a directory, which any number of processes share, also on several hosts that share the file system. */
import { checkKey, checkPrefix } from '../object-key.ts';
import type { ObjectHead, ObjectStore } from '../object-store.ts';
import { listObjects } from './list-objects.ts';
import { fileSystemTime, openObjectsPlace } from './place.ts';
import { putObject } from './put-object.ts';
import { getObject } from './read-object.ts';
import { removeObjects } from './remove-objects.ts';

/** The file systems in use have no larger files; the disk itself may allow less. */
const MAX_OBJECT_BYTES = 2 ** 42;

/**
 * Opens the objects in the directory `root`, made (0700) if it is missing. There is nothing to close. Compare-and-set
 * relies on the guarantees of rename(2) on every POSIX file system, not on locks, times or process ids.
 *
 * @throws CairnError `journal-version` for the directory of a newer cairn; `symlink-refused`; `owner-untrusted`;
 * storage codes
 */
export async function openDirectoryObjects(root: string): Promise<ObjectStore> {
  const place = await openObjectsPlace(root);
  return {
    capabilities: { shared: true, maxObjectBytes: MAX_OBJECT_BYTES },
    put: async (key, body, options = {}) => {
      checkKey(key);
      return putObject(place, key, body, { ...options, maxBytes: MAX_OBJECT_BYTES });
    },
    get: async (key, options = {}) => {
      checkKey(key);
      return getObject(place, key, options);
    },
    list: async function* (prefix, after = ''): AsyncGenerator<ObjectHead> {
      checkPrefix(prefix);
      yield* listObjects(place.keys, { prefix, after });
    },
    remove: async (keys) => {
      for (const key of keys) checkKey(key);
      await removeObjects(place, keys);
    },
    now: () => fileSystemTime(place),
  };
}
