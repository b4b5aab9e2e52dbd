/**
 * Published entries as objects, one each: the entry's description, and then its bytes. The key is made of hashes, so
 * that every path fits, and the children of one directory have one prefix.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, printable } from '../../base/safe-path.ts';
import type { Entry, ScannedEntry } from '../../manifest/entry.ts';
import type { ObjectHead, ObjectSource, ObjectStore } from '../objects/object-store.ts';

const TREE = 't/';
const ROOT_KEY = `${TREE}root`;
/** Four bytes state the length of the description, a text that follows them. */
const LENGTH_BYTES = 4;
/** Nearly every description ends within these bytes; else a second request gets the rest. */
const FIRST_BYTES = 4096;
const HASH_LENGTH = 40;
/** Objects that are read at the same time. */
const BATCH = 32;

/** A published entry, the offset of its bytes in the object, and the identity of that object. */
export interface KeptEntry extends ScannedEntry {
  readonly key: string;
  readonly contentOffset: number;
}

/** The root while no transfer has published the root itself. */
const EMPTY_ROOT: KeptEntry = {
  key: ROOT_KEY,
  contentOffset: 0,
  identity: 'root',
  entry: { type: 'directory', path: '', sizeBytes: 0, mode: 0o755, mtimeNs: 0n, linkTarget: '' },
};

const hashOf = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);

/** The key of the entry at a published path. */
export function entryKey(path: string): string {
  if (path === '') return ROOT_KEY;
  const slash = path.lastIndexOf('/');
  return `${childrenPrefix(path.slice(0, Math.max(0, slash)))}${hashOf(path.slice(slash + 1))}`;
}

/** The prefix of the keys of the entries in a directory. */
function childrenPrefix(directory: string): string {
  return `${TREE}${hashOf(directory)}/`;
}

/** The object of an entry with these bytes; `entry.path` is the published path. */
export function entryBody(entry: Entry, bytes: ObjectSource): ObjectSource {
  const { path, mode, linkTarget } = entry;
  const type = entry.type === 'stream' ? 'file' : entry.type;
  const text = Buffer.from(JSON.stringify({ type, path, mode, mtimeNs: String(entry.mtimeNs), linkTarget }));
  const head = Buffer.alloc(LENGTH_BYTES + text.byteLength);
  head.writeUInt32BE(text.byteLength);
  text.copy(head, LENGTH_BYTES);
  return {
    sizeBytes: head.byteLength + bytes.sizeBytes,
    open: async function* () {
      yield head;
      yield* bytes.open();
    },
  };
}

/** No bytes, as directories and links have. */
export const NO_BYTES: ObjectSource = { sizeBytes: 0, open: async function* () {} };

/** The entry at a published path; undefined where there is none. Ignores entries above it. @throws CairnError */
export async function findEntry(objects: ObjectStore, path: string): Promise<KeptEntry | undefined> {
  return (await readEntry(objects, entryKey(path))) ?? (path === '' ? EMPTY_ROOT : undefined);
}

/** The tag of the object of an entry; null where there is none. */
export function tagOf(found: KeptEntry | undefined): string | null {
  return found === undefined || found === EMPTY_ROOT ? null : found.identity;
}

async function readEntry(objects: ObjectStore, key: string): Promise<KeptEntry | undefined> {
  const first = await bytesOf(objects, key, FIRST_BYTES);
  if (first === undefined) return undefined;
  const contentOffset = LENGTH_BYTES + first.bytes.readUInt32BE();
  const whole = first.bytes.byteLength < contentOffset ? await bytesOf(objects, key, contentOffset) : first;
  // Another node has replaced it between the two reads: read again.
  if (whole?.head.etag !== first.head.etag) return readEntry(objects, key);
  return entryOf(whole.head, whole.bytes.subarray(LENGTH_BYTES, contentOffset).toString(), contentOffset);
}

function entryOf(head: ObjectHead, text: string, contentOffset: number): KeptEntry {
  const told = JSON.parse(text) as Pick<Entry, 'type' | 'path' | 'mode' | 'linkTarget'> & { mtimeNs: string };
  const entry = { ...told, mtimeNs: BigInt(told.mtimeNs), sizeBytes: head.sizeBytes - contentOffset };
  return { key: head.key, contentOffset, identity: head.etag, entry };
}

async function bytesOf(
  objects: ObjectStore,
  key: string,
  to: number,
): Promise<{ readonly head: ObjectHead; readonly bytes: Buffer } | undefined> {
  const head = await objects.get(key, { to });
  if (head === undefined || head === 'unchanged') return undefined;
  const pieces: Buffer[] = [];
  for await (const piece of head.bytes) pieces.push(Buffer.from(piece));
  return { head, bytes: Buffer.concat(pieces) };
}

/** The entries of a directory, in the order of their names. @throws CairnError storage codes */
export async function childrenOf(objects: ObjectStore, directory: string): Promise<KeptEntry[]> {
  const keys: string[] = [];
  for await (const { key } of objects.list(childrenPrefix(directory))) keys.push(key);
  const found: KeptEntry[] = [];
  for (let first = 0; first < keys.length; first += BATCH) {
    const batch = keys.slice(first, first + BATCH);
    // oxlint-disable-next-line no-await-in-loop -- a bounded number at a time
    const entries = await Promise.all(batch.map((key) => readEntry(objects, key)));
    found.push(...entries.filter((each) => each !== undefined));
  }
  const named = found.map((each) => ({ each, name: Buffer.from(each.entry.path) }));
  return named.toSorted((a, b) => Buffer.compare(a.name, b.name)).map(({ each }) => each);
}

/** All that is below a directory, in canonical order. @throws CairnError storage codes */
export async function* entriesBelow(objects: ObjectStore, directory: string): AsyncGenerator<KeptEntry> {
  for (const child of await childrenOf(objects, directory)) {
    yield child;
    if (child.entry.type === 'directory') yield* entriesBelow(objects, child.entry.path);
  }
}

/** Whether anything is below a path. @throws CairnError storage codes */
export async function hasChildren(objects: ObjectStore, path: string): Promise<boolean> {
  for await (const { key } of objects.list(childrenPrefix(path))) return key !== '';
  return false;
}

/** Puts a directory without a description of its own, where there is none: with the current time and the usual mode. */
export async function putDirectory(objects: ObjectStore, path: string): Promise<void> {
  const mtimeNs = BigInt(await objects.now()) * 1_000_000n;
  const entry: Entry = { type: 'directory', path, sizeBytes: 0, mode: 0o755, mtimeNs, linkTarget: '' };
  await objects.put(entryKey(path), entryBody(entry, NO_BYTES), { ifMatch: null });
}

/**
 * The highest entry above `path` that is no directory, or undefined.
 *
 * @throws CairnError `symlink-refused` where it is a symlink
 */
export async function findObstacle(objects: ObjectStore, path: string): Promise<KeptEntry | undefined> {
  for (const ancestor of ancestorsOf(path)) {
    const found = await findEntry(objects, ancestor);
    if (found === undefined) return undefined;
    if (found.entry.type === 'symlink') {
      throw new CairnError('symlink-refused', `"${printable(ancestor)}" is a symlink and is not followed`);
    }
    if (found.entry.type !== 'directory') return found;
  }
  return undefined;
}

/** Refuses a path below an entry that is no directory. @throws CairnError `not-directory`, `symlink-refused` */
export async function refuseObstacle(objects: ObjectStore, path: string): Promise<void> {
  const obstacle = await findObstacle(objects, path);
  if (obstacle === undefined) return;
  throw new CairnError('not-directory', `"${printable(obstacle.entry.path)}" is not a directory`);
}
