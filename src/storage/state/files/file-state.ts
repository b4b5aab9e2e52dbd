/**
 * Documents as files in the state directory of one server, with the formats and names that they have always had. The
 * version of a document is the digest of its text, so that a file that a person has put back counts as it is.
 */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  makePrivateDirectory,
  removeTemporaries,
  removeFileDurably,
  replaceFileDurably,
} from '../../../base/durable-files.ts';
import { storageError, systemCodeOf, takesNothing } from '../../../base/errors.ts';
import { createKeyedMutex } from '../../../base/mutex.ts';
import { readIfThere } from '../../../base/read-if-there.ts';
import { printable } from '../../../base/safe-path.ts';
import { checkKey, checkPrefix } from '../../objects/object-key.ts';
import { watchByLooking } from '../looking.ts';
import { documentTooLarge, MAX_DOCUMENT_BYTES, type StateDocument, type StateStore } from '../state-store.ts';
import { whileLocked } from './file-lock.ts';
import { documentsPath, filePath, isOwnFile, keysBelow } from './file-names.ts';

/** The document that commands change beside a server, under a lock that every process takes. */
const CHANGED_BY_COMMANDS = 'a/tokens';
const LOCK = 'tokens.lock';

/** Options of {@link createFileState}. */
export interface FileStateOptions {
  /** How often a watch looks at the files. */
  readonly lookEveryMs?: number;
}

/**
 * Opens the state directory of a server, made (0700) if it is missing, and removes leftovers of writes by killed
 * processes. Only one server at a time may do so; a full or read-only disk is no obstacle.
 *
 * @throws CairnError `owner-untrusted`, `state-locked`, storage codes
 */
export async function openFileState(directory: string): Promise<StateStore> {
  await makePrivateDirectory(directory);
  try {
    await whileLocked(join(directory, LOCK), () => tidy(directory));
  } catch (error) {
    if (!takesNothing(error)) throw error;
  }
  return createFileState(directory);
}

/** Documents in a state directory, for a command beside its server; reads and makes nothing in advance. */
export function createFileState(directory: string, { lookEveryMs = 250 }: FileStateOptions = {}): StateStore {
  const inTurn = createKeyedMutex();
  /** The signatures of the files that {@link StateStore.getUnless} has read. */
  const seen = new Map<string, { readonly signature: string | undefined; readonly version: string }>();
  /** Runs changes of a document one after the other: in this process, and in all where commands change it, too. */
  const alone = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const locked = key === CHANGED_BY_COMMANDS ? () => whileLocked(join(directory, LOCK), work) : work;
    return inTurn(key, locked);
  };
  return {
    properties: { shared: false },
    get: async (key) => {
      checkKey(key);
      return read(directory, key);
    },
    getUnless: async (key, version) => {
      checkKey(key);
      // Take the signature before reading: a file that changes meanwhile then has another one the next time.
      const signature = await signatureOf(filePath(directory, key));
      const before = seen.get(key);
      if (before?.version === version && before.signature === signature) return 'unchanged';
      const document = await read(directory, key);
      if (document !== undefined) seen.set(key, { signature, version: document.version });
      return document?.version === version ? 'unchanged' : document;
    },
    compareAndSet: async (key, version, text) => {
      checkKey(key);
      const bytes = Buffer.byteLength(text);
      if (bytes > MAX_DOCUMENT_BYTES) throw documentTooLarge(bytes);
      return alone(key, async () => {
        const there = await read(directory, key);
        if ((there?.version ?? null) !== version) return undefined;
        const path = filePath(directory, key);
        if (!isOwnFile(key)) await makePrivateDirectory(dirname(path));
        await replaceFileDurably(path, text, 0o600);
        return versionOf(text);
      });
    },
    list: async function* (prefix) {
      checkPrefix(prefix);
      for (const key of await keysBelow(directory, prefix)) {
        const document = await read(directory, key);
        if (document !== undefined) yield document;
      }
    },
    remove: async (key) => {
      checkKey(key);
      await alone(key, () => removeFileDurably(filePath(directory, key)));
    },
    now: async () => Date.now(),
    watch: (prefix, signal) =>
      watchByLooking(() => signaturesBelow(directory, prefix), { signal, lookEveryMs }),
    where: (key) => printable(filePath(directory, key)),
  };
}

async function read(directory: string, key: string): Promise<StateDocument | undefined> {
  const text = (await readIfThere(filePath(directory, key)))?.toString('utf8');
  return text === undefined ? undefined : { key, version: versionOf(text), text };
}

function versionOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** For each file, a text that changes when another file takes its place. */
async function signaturesBelow(directory: string, prefix: string): Promise<ReadonlyMap<string, string>> {
  checkPrefix(prefix);
  const signatures = new Map<string, string>();
  for (const key of await keysBelow(directory, prefix)) {
    // oxlint-disable-next-line no-await-in-loop -- a handful of files
    const signature = await signatureOf(filePath(directory, key));
    if (signature !== undefined) signatures.set(key, signature);
  }
  return signatures;
}

async function signatureOf(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs, ctimeNs].join(' ');
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return undefined;
    throw storageError(error, `looking at "${printable(path)}"`);
  }
}

/** Removes leftovers of interrupted writes, which may contain a secret. */
async function tidy(directory: string): Promise<void> {
  await removeTemporaries(directory, 0);
  for (const folder of await foldersOf(documentsPath(directory))) await removeTemporaries(folder, 0);
}

/** A folder and all folders below it; none where it does not exist. */
async function foldersOf(path: string): Promise<string[]> {
  try {
    const found = await readdir(path, { recursive: true, withFileTypes: true });
    const below = found.filter((entry) => entry.isDirectory());
    return [path, ...below.map(({ parentPath, name }) => join(parentPath, name))];
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, `tidying "${printable(path)}"`);
  }
}
