/** The files of documents in a state directory. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { objectPath, parseKeyName } from '../../objects/directory/key-names.ts';

/** Documents for which the state directory of `cairn serve` has always had files, and the names of these. */
const OWN_FILES: ReadonlyMap<string, string> = new Map([
  ['a/grants', 'grants.json'],
  ['a/keys/grant', 'grant-key'],
  ['a/keys/session', 'session-key'],
  ['a/last-seen', 'last-seen'],
  ['a/tokens', 'tokens.json'],
  ['a/usage', 'usage.json'],
]);
/** The folder of all other documents, with one folder for each part of a key. */
const DOCUMENTS = 'documents';

/** Whether a document has a file name of its own in a state directory, not one made of its key. */
export function isOwnFile(key: string): boolean {
  return OWN_FILES.has(key);
}

/** The directory of all documents without file names of their own. */
export function documentsPath(directory: string): string {
  return join(directory, DOCUMENTS);
}

/** The file of a document; the key is checked. */
export function filePath(directory: string, key: string): string {
  const own = OWN_FILES.get(key);
  return own === undefined ? objectPath(documentsPath(directory), key) : join(directory, own);
}

/**
 * Keys that begin with `prefix` and may have a file, in order; those with file names of their own even where they have
 * no file. The prefix is checked.
 */
export async function keysBelow(directory: string, prefix: string): Promise<string[]> {
  const own = [...OWN_FILES.keys()].filter((key) => key.startsWith(prefix));
  return [...own, ...(await keysIn(documentsPath(directory), '', prefix))].toSorted();
}

async function keysIn(folder: string, begin: string, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for (const name of await namesIn(folder)) {
    const found = parseKeyName(begin, name);
    if (found === undefined) continue;
    if (found.isObject) {
      if (found.key.startsWith(prefix)) keys.push(found.key);
    } else if (found.key.startsWith(prefix) || prefix.startsWith(found.key)) {
      // oxlint-disable-next-line no-await-in-loop -- one folder open at a time
      keys.push(...(await keysIn(join(folder, name), found.key, prefix)));
    }
  }
  return keys;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, `reading "${printable(folder)}"`);
  }
}
