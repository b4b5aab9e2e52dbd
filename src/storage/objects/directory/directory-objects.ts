/** Objects in a directory, which any number of processes share, also of several hosts where the file system is theirs. */
import { checkKey, checkPrefix } from '../object-key.ts';
import type { ObjectHead, ObjectStore } from '../object-store.ts';
import { listObjects } from './list-objects.ts';
import { fileSystemTime, openObjectsPlace } from './place.ts';
import { putObject } from './put-object.ts';
import { getObject } from './read-object.ts';
import { removeObjects } from './remove-objects.ts';

/** No file is larger on the file systems that are in use; the disk says what it really takes. */
const MAX_OBJECT_BYTES = 2 ** 42;

/**
 * Opens the objects in the directory `root`, made (0700) where it is missing. Nothing has to be closed. A compare-and-set
 * rests on what rename(2) promises on every POSIX file system, and not on locks, times or process ids.
 *
 * @throws CairnError `journal-version` for the directory of a newer cairn; `symlink-refused`; `owner-untrusted`; storage codes
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
