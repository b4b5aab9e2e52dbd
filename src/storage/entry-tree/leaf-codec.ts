/**
 * Leaves of the entry tree as bytes. In front stand the objects that the entries refer to: first the prefixes of their
 * keys, one for each session, then their names. Then come the entries in canonical order; each path says how many
 * bytes it has in common with the one before. Equal entries have equal bytes. Pure.
 */
import { checkEntry, type Entry, type EntryType } from '../../manifest/entry.ts';
import { comparePaths } from '../../base/safe-path.ts';
import {
  type ByteReader,
  type ByteWriter,
  createByteReader,
  createByteWriter,
  malformed,
} from './byte-codec.ts';
import type { Extent, TreeEntry } from './tree-entry.ts';

const LEAF = 0x4c;
const VERSION = 1;
/** Types by their code; never reordered. */
const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink'];
/** Further facts of an entry, beside its type. */
const HAS_METADATA = 0x10;
const HAS_IDENTITY = 0x20;
const TYPE_BITS = 0x0f;

/** Encodes entries, which are in canonical order. */
export function encodeLeaf(entries: readonly TreeEntry[]): Buffer {
  const writer = createByteWriter();
  writer.raw(Uint8Array.of(LEAF, VERSION));
  const numberOf = writeKeys(writer, entries);
  writer.count(entries.length);
  let before: Buffer = Buffer.alloc(0);
  for (const each of entries) {
    const path = Buffer.from(each.entry.path);
    const shared = sharedBytes(before, path);
    writer.count(shared);
    writer.count(path.byteLength - shared);
    writer.raw(path.subarray(shared));
    before = path;
    writeEntry(writer, each, numberOf);
  }
  return writer.bytes();
}

function writeKeys(writer: ByteWriter, entries: readonly TreeEntry[]): (key: string) => number {
  const keys = [...new Set(entries.flatMap(({ extents }) => extents.map(({ key }) => key)))].toSorted();
  const prefixes = [...new Set(keys.map(prefixOf))].toSorted();
  const prefixNumbers = new Map(prefixes.map((prefix, number) => [prefix, number]));
  const keyNumbers = new Map(keys.map((key, number) => [key, number]));
  writer.count(prefixes.length);
  for (const prefix of prefixes) writer.text(prefix);
  writer.count(keys.length);
  for (const key of keys) {
    writer.count(prefixNumbers.get(prefixOf(key))!);
    writer.text(key.slice(prefixOf(key).length));
  }
  return (key) => keyNumbers.get(key)!;
}

function writeEntry(
  writer: ByteWriter,
  { entry, extents, identity }: TreeEntry,
  numberOf: (key: string) => number,
): void {
  const { type, mode, mtimeNs, linkTarget, metadata } = entry;
  const flags = (metadata === undefined ? 0 : HAS_METADATA) | (identity === undefined ? 0 : HAS_IDENTITY);
  writer.raw(Uint8Array.of(TYPES.indexOf(type) | flags));
  writer.count(mode);
  writer.signed64(mtimeNs);
  if (metadata !== undefined) writer.text(metadata);
  if (identity !== undefined) writer.text(identity);
  if (type === 'symlink') writer.text(linkTarget);
  if (type !== 'file') return;
  writer.count(extents.length);
  for (const { key, from, lengthBytes } of extents) {
    writer.count(numberOf(key));
    writer.count(from);
    writer.count(lengthBytes);
  }
}

/** Decodes and checks a leaf. @throws CairnError `storage-io`; `path-unsafe` and the like for an entry that is none */
export function decodeLeaf(bytes: Buffer): TreeEntry[] {
  const reader = createByteReader(bytes);
  const keys = readKeys(reader);
  const entries: TreeEntry[] = [];
  const total = reader.countOf(12);
  let before: Buffer = Buffer.alloc(0);
  for (let index = 0; index < total; index += 1) {
    const shared = reader.count();
    if (shared > before.byteLength) throw malformed('a path begins with more than the one before has');
    before = Buffer.concat([before.subarray(0, shared), reader.raw(reader.count())]);
    const each = readEntry(reader, before.toString(), keys);
    const last = entries.at(-1);
    if (last !== undefined && comparePaths(last.entry.path, each.entry.path) >= 0)
      throw malformed('its entries are not in order');
    entries.push(each);
  }
  reader.end();
  return entries;
}

function readKeys(reader: ByteReader): string[] {
  const [kind, version] = reader.raw(2);
  if (kind !== LEAF || version !== VERSION) throw malformed('it is no leaf of this version');
  const prefixes = Array.from({ length: reader.countOf(1) }, () => reader.text());
  return Array.from({ length: reader.countOf(2) }, () => {
    const prefix = prefixes[reader.count()];
    if (prefix === undefined) throw malformed('a key has a prefix that is not there');
    return prefix + reader.text();
  });
}

function readEntry(reader: ByteReader, path: string, keys: readonly string[]): TreeEntry {
  const [code = 0] = reader.raw(1);
  const type = TYPES[code & TYPE_BITS];
  if (type === undefined || (code & ~(TYPE_BITS | HAS_METADATA | HAS_IDENTITY)) !== 0)
    throw malformed('an entry is of an unknown type');
  const mode = reader.count();
  const mtimeNs = reader.signed64();
  const metadata = (code & HAS_METADATA) === 0 ? undefined : reader.text();
  const identity = (code & HAS_IDENTITY) === 0 ? undefined : reader.text();
  const linkTarget = type === 'symlink' ? reader.text() : '';
  const extents = type === 'file' ? readExtents(reader, keys) : [];
  const sizeBytes = extents.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0);
  const entry: Entry = { type, path, sizeBytes, mode, mtimeNs, linkTarget };
  checkEntry(entry);
  const whole = metadata === undefined ? entry : { ...entry, metadata };
  return identity === undefined ? { entry: whole, extents } : { entry: whole, extents, identity };
}

function readExtents(reader: ByteReader, keys: readonly string[]): Extent[] {
  return Array.from({ length: reader.countOf(3) }, () => {
    const key = keys[reader.count()];
    if (key === undefined) throw malformed('an extent lies in an object that is not named');
    return { key, from: reader.count(), lengthBytes: reader.count() };
  });
}

function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1);
}

function sharedBytes(one: Buffer, other: Buffer): number {
  const most = Math.min(one.byteLength, other.byteLength);
  let shared = 0;
  while (shared < most && one[shared] === other[shared]) shared += 1;
  return shared;
}
