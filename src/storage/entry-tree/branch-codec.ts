/**
 * Branches of the entry tree as bytes: first what names the branch (of each page below its first path, its id and its
 * number of entries), then where these pages lie, which may change while the id stays. Pure.
 */
import { createHash } from 'node:crypto';
import { comparePaths } from '../../base/safe-path.ts';
import { type ByteReader, createByteReader, createByteWriter, malformed } from './byte-codec.ts';

const BRANCH = 0x42;
const VERSION = 1;
const ID_BYTES = 32;
const HIGHEST_LEVEL = 12;

/** Where a page lies: a range of an object. */
export interface PagePlace {
  readonly key: string;
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A page of the tree, as the branch above or the root names it. */
export interface PageRef {
  /** SHA-256 of the bytes that name the page, in hexadecimal digits. */
  readonly id: string;
  /** 0 for a leaf; a branch is one above the pages that it names. */
  readonly level: number;
  /** The path of its first entry. */
  readonly first: string;
  /** Number of entries below. */
  readonly entries: number;
  readonly place: PagePlace;
}

/** A page as bytes with its id. */
export interface EncodedPage {
  readonly id: string;
  readonly bytes: Buffer;
}

/** The id of bytes that name a page. */
export function pageId(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Encodes a branch over pages of one level, which are in order. */
export function encodeBranch(pages: readonly PageRef[]): EncodedPage {
  const writer = createByteWriter();
  writer.raw(Uint8Array.of(BRANCH, VERSION, pages[0]!.level + 1));
  writer.count(pages.length);
  for (const { first, id, entries } of pages) {
    writer.text(first);
    writer.raw(Buffer.from(id, 'hex'));
    writer.count(entries);
  }
  const id = pageId(writer.bytes());
  const keys = [...new Set(pages.map(({ place }) => place.key))].toSorted();
  const numbers = new Map(keys.map((key, number) => [key, number]));
  writer.count(keys.length);
  for (const key of keys) writer.text(key);
  for (const { place } of pages) {
    writer.count(numbers.get(place.key)!);
    writer.count(place.offset);
    writer.count(place.lengthBytes);
  }
  return { id, bytes: writer.bytes() };
}

/** Decodes a branch; `id` is computed from its bytes. @throws CairnError `storage-io` */
export function decodeBranch(bytes: Buffer): { readonly id: string; readonly pages: PageRef[] } {
  const reader = createByteReader(bytes);
  const [kind, version, level = 0] = reader.raw(3);
  if (kind !== BRANCH || version !== VERSION || level < 1 || level > HIGHEST_LEVEL)
    throw malformed('it is no branch of this version');
  const named = Array.from({ length: reader.countOf(ID_BYTES + 2) }, () => ({
    first: reader.text(),
    id: reader.raw(ID_BYTES).toString('hex'),
    entries: reader.count(),
  }));
  if (named.length === 0) throw malformed('it is a branch over nothing');
  const id = pageId(bytes.subarray(0, reader.at));
  const places = readPlaces(reader, named.length);
  reader.end();
  const pages = named.map((each, index) => ({ ...each, level: level - 1, place: places[index]! }));
  for (const [index, { first }] of pages.entries()) {
    if (index > 0 && comparePaths(pages[index - 1]!.first, first) >= 0)
      throw malformed('its pages are not in order');
  }
  return { id, pages };
}

function readPlaces(reader: ByteReader, count: number): PagePlace[] {
  const keys = Array.from({ length: reader.countOf(1) }, () => reader.text());
  return Array.from({ length: count }, () => {
    const key = keys[reader.count()];
    if (key === undefined) throw malformed('a page lies in an object that is not named');
    return { key, offset: reader.count(), lengthBytes: reader.count() };
  });
}
