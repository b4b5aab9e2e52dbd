/** Lists objects in the order of their keys, one directory of keys after the other. */
import { join } from 'node:path';
import type { ObjectHead } from '../object-store.ts';
import { type KeyName, parseKeyName, prefixPath } from './key-names.ts';
import { currentVersion, namesIn, type Version, versionName } from './version.ts';

/** Objects that are looked up together. */
const BATCH = 32;

/** The keys to list. */
interface Wish {
  readonly prefix: string;
  readonly after: string;
}

/** See `ObjectStore.list`; `keys` is the directory of all keys, and the prefix is checked. */
export async function* listObjects(keys: string, wish: Wish): AsyncGenerator<ObjectHead> {
  const whole = wish.prefix.slice(0, wish.prefix.lastIndexOf('/') + 1);
  yield* listBelow(prefixPath(keys, whole), whole, wish);
}

async function* listBelow(directory: string, begin: string, wish: Wish): AsyncGenerator<ObjectHead> {
  const names = (await namesIn(directory))
    .map((name) => parseKeyName(begin, name))
    .filter((name) => name !== undefined)
    .filter((name) => isWanted(name, wish))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1));
  for (let first = 0; first < names.length; first += BATCH) {
    const batch = names.slice(first, first + BATCH);
    // oxlint-disable-next-line no-await-in-loop -- a bounded number at a time
    const versions = await Promise.all(
      batch.map(async ({ isObject, name }) => (isObject ? currentVersion(join(directory, name)) : undefined)),
    );
    for (const [index, { key, name, isObject }] of batch.entries()) {
      const version = versions[index];
      if (version !== undefined) yield headOf(key, version);
      if (!isObject) yield* listBelow(join(directory, name), key, wish);
    }
  }
}

/** The head of a version under a key. */
export function headOf(key: string, version: Version): ObjectHead {
  const { sizeBytes, modifiedAtMs } = version;
  return { key, etag: versionName(version), sizeBytes, modifiedAtMs };
}

function isWanted({ key, isObject }: KeyName, { prefix, after }: Wish): boolean {
  if (isObject) return key.startsWith(prefix) && key > after;
  // All keys below sort before or behind `after` together, unless `after` is one of them.
  return key.startsWith(prefix) && (key > after || after.startsWith(key));
}
