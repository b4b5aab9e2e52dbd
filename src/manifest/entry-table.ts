/**
 * The entries of a tree in little memory: 26 bytes each and those of the path, four more where it has metadata. The table makes the object of an entry
 * on request, which is garbage soon after.
 */
import type { Entry, EntryType } from './entry.ts';
import { MetadataColumn } from './metadata-column.ts';
import { StringTable } from './string-table.ts';

/** Entries in order. One part of an entry is cheaper to read than the whole. */
export interface EntryList extends Iterable<Entry> {
  readonly length: number;
  /** The entry at an index; undefined behind the end. */
  at(index: number): Entry | undefined;
  /** The entries from `from` on and before `to`. */
  slice(from: number, to: number): Entry[];
  /** The path of the entry at a valid index. */
  pathOf(index: number): string;
  /** The size in bytes of the entry at a valid index. */
  sizeOf(index: number): number;
  /** The type of the entry at a valid index. */
  typeOf(index: number): EntryType;
  /** The target of a symlink or hard link; empty for other entries. */
  linkTargetOf(index: number): string;
}

/** The table stores a type as its index here. */
const TYPES: readonly EntryType[] = ['file', 'directory', 'symlink', 'stream', 'hardlink'];
/** A table grows by pages, without a copy. */
const PAGE_ENTRIES = 4096;
const MODE_BITS = 12;
/** Offsets in the row of an entry, and its length, in bytes. */
const ROW = { sizeBytes: 0, mtimeNs: 8, typeAndMode: 16, lengthBytes: 18 } as const;

/** An {@link EntryList} that grows at its end. */
export class EntryTable implements EntryList {
  readonly #paths = new StringTable();
  readonly #pages: DataView[] = [];
  /** Most trees have few symlinks or none. */
  readonly #linkTargets = new Map<number, string>();
  /** Most manifests carry no metadata. */
  #metadata: MetadataColumn | undefined;

  /** Makes a table of `entries`, in their order. */
  static from(entries: Iterable<Entry>): EntryTable {
    const table = new EntryTable();
    for (const entry of entries) table.push(entry);
    return table;
  }

  get length(): number {
    return this.#paths.length;
  }

  push({ type, path, sizeBytes, mode, mtimeNs, linkTarget, metadata }: Entry): void {
    const index = this.length;
    if (index % PAGE_ENTRIES === 0)
      this.#pages.push(new DataView(new ArrayBuffer(PAGE_ENTRIES * ROW.lengthBytes)));
    const page = this.#pages.at(-1)!;
    const row = rowOf(index);
    page.setFloat64(row + ROW.sizeBytes, sizeBytes);
    page.setBigInt64(row + ROW.mtimeNs, mtimeNs);
    page.setUint16(row + ROW.typeAndMode, (TYPES.indexOf(type) << MODE_BITS) | mode);
    if (linkTarget !== '') this.#linkTargets.set(index, linkTarget);
    if (metadata !== undefined) (this.#metadata ??= new MetadataColumn()).set(index, metadata);
    this.#paths.push(path);
  }

  at(index: number): Entry | undefined {
    const path = this.#paths.at(index);
    if (path === undefined) return undefined;
    const page = this.#pageOf(index);
    const row = rowOf(index);
    const typeAndMode = page.getUint16(row + ROW.typeAndMode);
    const entry = {
      type: TYPES[typeAndMode >>> MODE_BITS]!,
      path,
      sizeBytes: page.getFloat64(row + ROW.sizeBytes),
      mode: typeAndMode % (1 << MODE_BITS),
      mtimeNs: page.getBigInt64(row + ROW.mtimeNs),
      linkTarget: this.linkTargetOf(index),
    };
    const metadata = this.#metadata?.at(index) ?? '';
    return metadata === '' ? entry : { ...entry, metadata };
  }

  slice(from: number, to: number): Entry[] {
    const entries: Entry[] = [];
    for (let index = from; index < Math.min(to, this.length); index += 1) entries.push(this.at(index)!);
    return entries;
  }

  pathOf(index: number): string {
    return this.#paths.at(index)!;
  }

  sizeOf(index: number): number {
    return this.#pageOf(index).getFloat64(rowOf(index) + ROW.sizeBytes);
  }

  typeOf(index: number): EntryType {
    return TYPES[this.#pageOf(index).getUint16(rowOf(index) + ROW.typeAndMode) >>> MODE_BITS]!;
  }

  linkTargetOf(index: number): string {
    return this.#linkTargets.get(index) ?? '';
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (let index = 0; index < this.length; index += 1) yield this.at(index)!;
  }

  #pageOf(index: number): DataView {
    return this.#pages[Math.floor(index / PAGE_ENTRIES)]!;
  }
}

/** Entries with their indices. */
export function* numbered(entries: EntryList): Generator<[index: number, entry: Entry]> {
  for (let index = 0; index < entries.length; index += 1) yield [index, entries.at(index)!];
}

function rowOf(index: number): number {
  return (index % PAGE_ENTRIES) * ROW.lengthBytes;
}
