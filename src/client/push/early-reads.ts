/**
 * Small files that were written a moment ago, a log above all, are likely to be written again before they are sent, in every
 * run. They are read when they are found, and sent as they were then, if they are still there.
 */
import { CairnError } from '../../base/errors.ts';
import type { ScannedEntry } from '../../manifest/entry.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import type { ReadableStore } from '../../storage/content-store.ts';

/** Memory for such files, all together and each, in bytes. */
const MAX_EARLY_BYTES = 16 * 1024 * 1024;
const MAX_FILE_BYTES = 1024 * 1024;
/** So many logs are written at a time at most; more files that are new are a tree that was just made, and stay as they are. */
const MAX_FILES = 256;
const RECENT_MS = 60_000;
const NS_PER_MS = 1e6;
/** A file that changes while so many looks at it are taken is found changed when it is sent, and named. */
const LOOKS = 4;

/** Where an entry was found, and with which kinds of metadata. */
export interface FoundAt {
  readonly store: ReadableStore;
  readonly path: string;
  readonly metadata?: readonly MetadataKind[] | undefined;
}

/** The files of one scan whose bytes were read when they were found. */
export interface EarlyReads {
  /** The bytes of a path of the manifest; undefined where they are to be read from their source. */
  get(path: string): Uint8Array | undefined;
  /** Whether an entry that was just found is to be read now. */
  isRestless(found: ScannedEntry): boolean;
  /** Reads it; answers the entry as it was then. */
  read(path: string, found: ScannedEntry, at: FoundAt): Promise<ScannedEntry>;
  clear(): void;
}

/** Makes room for such files. `nowMs` gives milliseconds since 1970. */
export function createEarlyReads(nowMs: () => number = Date.now): EarlyReads {
  const files = new Map<string, Uint8Array>();
  let earlyBytes = 0;
  const isRestless = ({ type, sizeBytes, mtimeNs }: ScannedEntry['entry']): boolean =>
    type === 'file' &&
    files.size < MAX_FILES &&
    sizeBytes > 0 &&
    sizeBytes <= Math.min(MAX_FILE_BYTES, MAX_EARLY_BYTES - earlyBytes) &&
    // A double is exact enough, and asked of every file of a scan.
    nowMs() - Number(mtimeNs) / NS_PER_MS < RECENT_MS;
  return {
    get: (path) => files.get(path),
    isRestless: ({ entry }) => isRestless(entry),
    read: async (path, found, { store, path: storePath, metadata }) => {
      let latest = found;
      for (let look = 0; look < LOOKS && isRestless(latest.entry); look += 1) {
        const bytes = await readAsFound(store, storePath, latest);
        if (bytes !== undefined) {
          files.set(path, bytes);
          earlyBytes += bytes.byteLength;
          return latest;
        }
        const [again] = await store.lookup([storePath], undefined, metadata);
        if (again?.entry.type !== 'file') return found;
        latest = { ...again, entry: { ...again.entry, path: found.entry.path } };
      }
      return found;
    },
    clear: () => {
      files.clear();
      earlyBytes = 0;
    },
  };
}

/** The bytes of a file; undefined where it has changed, or cannot be read, which is told when it is sent. */
async function readAsFound(
  store: ReadableStore,
  path: string,
  { entry, identity }: ScannedEntry,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(entry.sizeBytes);
  let at = 0;
  try {
    for await (const piece of store.read(path, { from: 0, to: entry.sizeBytes }, identity)) {
      bytes.set(piece, at);
      at += piece.byteLength;
    }
  } catch (error) {
    if (error instanceof CairnError) return undefined;
    throw error;
  }
  return bytes;
}
