/** The names of the files in a staging folder. */
import { isStream } from '../../../manifest/layout.ts';
import type { DocumentName, IncomingTransfer } from '../../content-store.ts';
import type { ChunkPlace } from './chunk-writer.ts';

/** The checkpoint log. */
export const JOURNAL_NAME = 'journal';

/** All bytes of a large entry or stream. */
export function entryName(entryIndex: number): string {
  return `e${entryIndex}`;
}

/** A chunk of packed small files. */
export function packedName(chunk: number): string {
  return `c${chunk}`;
}

/** A chunk that is sent again while it is already staged. */
export function duplicateName(chunk: number): string {
  return `d${chunk}`;
}

/** Whether {@link duplicateName} made the name: such a file is of no use after a restart. */
export function isDuplicateName(name: string): boolean {
  return /^d\d+$/.test(name);
}

/** A small file, empty file or symlink, complete, before it is renamed into place. */
export function preparedName(entryIndex: number): string {
  return `p${entryIndex}`;
}

/** A file of which only parts were carried, assembled, before it is renamed into place. */
export function assembledName(entryIndex: number): string {
  return `a${entryIndex}`;
}

/** A directory that an entry of another type has replaced, with all that was in it. */
export function replacedName(entryIndex: number): string {
  return `r${entryIndex}`;
}

/** The tree of a new directory, complete, before it is renamed into place. */
export function treeName(entryIndex: number): string {
  return `t${entryIndex}`;
}

/** The entry of the new directory whose {@link treeName} this is; undefined for other names. */
export function treeOfName(name: string): number | undefined {
  const [, digits] = /^t(0|[1-9]\d{0,9})$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

const DOCUMENTS: ReadonlySet<string> = new Set<DocumentName>([
  'manifest',
  'identities',
  'plan',
  'parts',
  'digests',
  'deletions',
]);

/** Whether the transfer or its publishing will need a file of this name. */
export function isOfUse(name: string, transfer: IncomingTransfer): boolean {
  if (name === JOURNAL_NAME || DOCUMENTS.has(name)) return true;
  const [, kind, digits] = /^([aecp])(0|[1-9]\d{0,9})$/.exec(name) ?? [];
  const number = Number(digits);
  const { layout, manifest } = transfer;
  if (kind === 'c') return number < layout.chunkCount && chunkPlace(transfer, number).fileName === name;
  if (kind === undefined || number >= manifest.entries.length) return false;
  if (kind === 'a') return transfer.assemblies?.has(number) === true;
  return kind === 'p' || layout.isLarge(number);
}

/** The entry of the first byte of a chunk. @throws CairnError `chunk-out-of-range` */
export function firstEntryOf({ layout }: Pick<IncomingTransfer, 'layout'>, chunk: number): number {
  const [first] = layout.segmentsOf(chunk);
  return first?.entryIndex ?? 0;
}

/** The size of the staged file that a chunk shares with no other entry; undefined for a packed chunk. */
export function sizeOfLarge({ layout }: Pick<IncomingTransfer, 'layout'>, chunk: number): number | undefined {
  const entryIndex = firstEntryOf({ layout }, chunk);
  return layout.isLarge(entryIndex) ? layout.carriedBytesOf(entryIndex) : undefined;
}

/** The place of the bytes of a chunk. @throws CairnError `chunk-out-of-range` */
export function chunkPlace(transfer: IncomingTransfer, chunk: number): ChunkPlace {
  const { layout, manifest } = transfer;
  const [first] = layout.segmentsOf(chunk);
  const entryIndex = first?.entryIndex ?? 0;
  const large = layout.isLarge(entryIndex);
  return {
    fileName: large ? entryName(entryIndex) : packedName(chunk),
    fileOffset: large ? (first?.entryOffset ?? 0) : 0,
    lengthBytes: layout.chunkLengthBytes(chunk),
    mayBeShorter: isStream(manifest) && layout.bytesTotal === undefined,
  };
}
