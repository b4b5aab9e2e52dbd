/**
 * The ordered entries of one transfer, their canonical encoding, and its id.
 *
 * The encoding is NDJSON: a header line, then a line for each entry, each an array in RFC 8785 form with a newline.
 * The id is the SHA-256 of these bytes. Vectors: `fixtures/wire/manifests.json`.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import { comparePaths } from '../base/safe-path.ts';
import { isDigestAlgorithm, type DigestAlgorithm } from './digest.ts';
import { checkEntry, type Entry } from './entry.ts';
import { EntryTable, type EntryList } from './entry-table.ts';
import { checkMetadata, isRequired } from './metadata-check.ts';
import { isMetadataKind, knownKinds, type MetadataKind } from './metadata.ts';

/** Layout parameters, part of the manifest and of its id. */
export interface ManifestParameters {
  readonly chunkSizeBytes: number;
  readonly digest: DigestAlgorithm;
  /** The kinds of metadata that its entries carry, in the order of `METADATA_KINDS`; missing for none. */
  readonly metadata?: readonly MetadataKind[] | undefined;
}

/** The ordered entries of one transfer with their layout parameters. */
export interface Manifest extends ManifestParameters {
  /** SHA-256 of the canonical encoding, 64 hex digits. */
  readonly id: string;
  /** Length of the canonical encoding. */
  readonly encodedBytes: number;
  readonly entries: EntryList;
}

/** Version of the encoding; a manifest that carries metadata has another one. */
export const MANIFEST_VERSION = 1;
const METADATA_VERSION = 2;
/** Smallest and largest chunk size that the format allows, in bytes. */
export const CHUNK_SIZE_RANGE = { min: 64 * 1024, max: 64 * 1024 * 1024 } as const;
/** Longest line of a manifest in bytes: a path, a link target and their escapes. */
export const MAX_LINE_BYTES = 64 * 1024;
/** The same where entries have metadata. */
export const MAX_METADATA_LINE_BYTES = 1024 * 1024;
/** The parameters of tree ids: fixed, so that the id of a tree does not depend on the parameters of a transfer. */
export const TREE_ID_PARAMETERS: ManifestParameters = {
  chunkSizeBytes: CHUNK_SIZE_RANGE.min,
  digest: 'xxh64',
};
/** Lines are encoded in batches of at least so many UTF-16 code units. */
const BATCH_CHARACTERS = 32 * 1024;

/** Whether a chunk size is a whole number of bytes within {@link CHUNK_SIZE_RANGE}. */
export function isChunkSize(value: unknown): value is number {
  return (
    Number.isInteger(value) &&
    (value as number) >= CHUNK_SIZE_RANGE.min &&
    (value as number) <= CHUNK_SIZE_RANGE.max
  );
}

/** The first line of a manifest, without its newline. */
export function encodeHeader({ chunkSizeBytes, digest, metadata = [] }: ManifestParameters): string {
  return metadata.length === 0
    ? JSON.stringify(['cairn-manifest', MANIFEST_VERSION, chunkSizeBytes, digest])
    : JSON.stringify(['cairn-manifest', METADATA_VERSION, chunkSizeBytes, digest, metadata]);
}

/** The line of one entry, without its newline. */
export function encodeEntry({
  type,
  path,
  sizeBytes,
  mode,
  mtimeNs,
  linkTarget,
  metadata = '',
}: Entry): string {
  // Only strings need escapes; an array through JSON.stringify takes twice the time.
  const name = JSON.stringify(path);
  const end = metadata === '' ? ']' : `,${metadata}]`;
  switch (type) {
    case 'file':
      return `["f",${name},${sizeBytes},${mode},"${mtimeNs}"${end}`;
    case 'directory':
      return `["d",${name},${mode},"${mtimeNs}"${end}`;
    case 'symlink':
      return `["l",${name},${JSON.stringify(linkTarget)},"${mtimeNs}"${end}`;
    case 'hardlink':
      return `["h",${name},${JSON.stringify(linkTarget)}]`;
    default:
      return `["s",${name},${mode},"${mtimeNs}"]`;
  }
}

/** Yields the canonical encoding in batches of lines (UTF-8 text, each line with its newline). */
export function encodeManifest(manifest: ManifestParameters & { entries: EntryList }): Generator<string> {
  return encodeLines(`${encodeHeader(manifest)}\n`, manifest.entries);
}

function* encodeLines(first: string, entries: Iterable<Entry>): Generator<string> {
  let batch = first;
  for (const entry of entries) {
    batch += `${encodeEntry(entry)}\n`;
    if (batch.length >= BATCH_CHARACTERS) {
      yield batch;
      batch = '';
    }
  }
  if (batch !== '') yield batch;
}

/** Makes a manifest of entries in canonical order, and computes its id. */
export function createManifest(
  { chunkSizeBytes, digest, metadata = [] }: ManifestParameters,
  listed: EntryList | readonly Entry[],
): Manifest {
  const entries = 'pathOf' in listed ? listed : EntryTable.from(listed);
  const carried = metadata.length === 0 ? {} : { metadata };
  const hash = createManifestHash({ chunkSizeBytes, digest, metadata });
  hash.add(entries);
  return { chunkSizeBytes, digest, ...carried, entries, ...hash.finish() };
}

/** Computes the id of a manifest. */
export interface ManifestHash {
  /** Takes the next entries in canonical order. */
  add(entries: Iterable<Entry>): void;
  finish(): Pick<Manifest, 'id' | 'encodedBytes'>;
}

/** Makes a {@link ManifestHash}, for callers that need only the id. */
export function createManifestHash(parameters: ManifestParameters): ManifestHash {
  const hash = createHash('sha256');
  let encodedBytes = 0;
  const add = (first: string, entries: Iterable<Entry>): void => {
    for (const batch of encodeLines(first, entries)) {
      encodedBytes += Buffer.byteLength(batch);
      hash.update(batch);
    }
  };
  add(`${encodeHeader(parameters)}\n`, []);
  return {
    add: (entries) => add('', entries),
    finish: () => ({ encodedBytes, id: hash.digest('hex') }),
  };
}

/** Reads the first line of a manifest, in canonical form only. Throws `manifest-invalid`. */
export function decodeHeader(line: string): ManifestParameters {
  const fields = parseLine(line);
  const [tag, version, chunkSizeBytes, digest, metadata] = fields;
  if (tag !== 'cairn-manifest' || fields.length < 4) throw refusal('it has no header');
  if (version !== MANIFEST_VERSION && version !== METADATA_VERSION) throw unknownVersion(version);
  if (fields.length !== (version === METADATA_VERSION ? 5 : 4)) throw refusal('it has no header');
  if (!isChunkSize(chunkSizeBytes)) throw refusal('its chunk size is out of range');
  if (!isDigestAlgorithm(digest)) throw refusal('its digest algorithm is unknown');
  const carried = version === METADATA_VERSION ? { metadata: kindsOf(metadata) } : {};
  const parameters = { chunkSizeBytes, digest, ...carried };
  if (encodeHeader(parameters) !== line) throw refusal('its header is not in canonical form');
  return parameters;
}

function kindsOf(names: unknown): readonly MetadataKind[] {
  if (!Array.isArray(names) || names.length === 0 || !names.every((name) => isMetadataKind(name)))
    throw refusal('it carries metadata of an unknown kind');
  return knownKinds(names);
}

/**
 * Reads the line of one entry, in canonical form only.
 *
 * @param kinds the metadata that the header announces
 * @throws CairnError `manifest-invalid`, or a code of {@link checkEntry}
 */
export function decodeEntry(line: string, kinds: readonly MetadataKind[] = []): Entry {
  const fields = parseLine(line);
  const entry = checkEntry(kinds.length === 0 ? entryOf(fields) : withMetadata(fields, kinds));
  if (encodeEntry(entry) !== line) throw refusal('a line is not in canonical form');
  return entry;
}

function withMetadata(fields: readonly unknown[], kinds: readonly MetadataKind[]): Entry {
  const [kind, path, linkTarget] = fields;
  if (kind === 'h' && fields.length === 3 && kinds.includes('hard-links')) {
    if (typeof path !== 'string' || typeof linkTarget !== 'string') throw refusal('a hard link has no path');
    return make('hardlink', path, 0, 0, 0n, linkTarget);
  }
  if (kind === 's') throw refusal('a stream carries no metadata');
  const length = kind === 'f' ? 5 : 4;
  const entry = entryOf(fields.slice(0, length));
  if (fields.length > length + 1) throw refusal('a line is no entry');
  if (fields.length === length && !isRequired(kinds)) return entry;
  const metadata = checkMetadata(fields[length], entry.type, kinds, (why) => {
    throw refusal(`${JSON.stringify(path)}: ${why}`);
  });
  return { ...entry, metadata };
}

function unknownVersion(version: unknown): CairnError {
  // By this detail a caller tells a newer manifest from a broken one.
  const details = Number.isSafeInteger(version) ? { version: version as number } : {};
  return new CairnError(
    'manifest-invalid',
    `the manifest is refused: its version ${String(version)} is unknown`,
    {
      details,
    },
  );
}

function entryOf(fields: readonly unknown[]): Entry {
  const [kind, path, third, fourth, fifth] = fields;
  if (typeof path !== 'string') throw refusal('an entry has no path');
  if (kind === 'f' && fields.length === 5) {
    return make('file', path, numberOf(third), numberOf(fourth), timeOf(fifth), '');
  }
  if (kind === 'd' && fields.length === 4)
    return make('directory', path, 0, numberOf(third), timeOf(fourth), '');
  if (kind === 's' && fields.length === 4)
    return make('stream', path, 0, numberOf(third), timeOf(fourth), '');
  if (kind === 'l' && fields.length === 4 && typeof third === 'string') {
    return make('symlink', path, 0, 0, timeOf(fourth), third);
  }
  throw refusal('a line is no entry');
}

function make(
  type: Entry['type'],
  path: string,
  sizeBytes: number,
  mode: number,
  mtimeNs: bigint,
  linkTarget: string,
): Entry {
  return { type, path, sizeBytes, mode, mtimeNs, linkTarget };
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw refusal('a number is missing');
  return value;
}

function timeOf(value: unknown): bigint {
  if (typeof value !== 'string' || !/^(0|-?[1-9][0-9]{0,18})$/.test(value))
    throw refusal('an mtime is no integer');
  return BigInt(value);
}

function parseLine(line: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw refusal('a line is no JSON', error);
  }
  if (!Array.isArray(value)) throw refusal('a line is no array');
  return value;
}

/** The `manifest-invalid` error that says why a manifest is refused. */
export function refusal(why: string, cause?: unknown): CairnError {
  return new CairnError('manifest-invalid', `the manifest is refused: ${why}`, { cause });
}

/**
 * Checks that entries in order form a tree. It refuses paths out of canonical order or twice, entries whose parent is
 * no directory of the manifest, and entries beside a target that is itself a file, link or stream.
 */
export class TreeChecker {
  #last: Entry | undefined;
  readonly #ancestors: string[] = [];

  /** Takes the next entry in order. Throws `manifest-invalid`. */
  next(entry: Entry): void {
    const last = this.#last;
    if (last !== undefined) {
      if (comparePaths(last.path, entry.path) >= 0)
        throw this.#refuse(entry, 'is out of order or there twice');
      if (last.path === '' && last.type !== 'directory') throw this.#refuse(entry, 'stands below a file');
    }
    if (entry.type === 'stream' && last !== undefined) throw this.#refuse(entry, 'is a stream and not alone');
    if (entry.path !== '') this.#checkParent(entry);
    if (entry.type === 'directory' && entry.path !== '') this.#ancestors.push(entry.path);
    this.#last = entry;
  }

  #checkParent(entry: Entry): void {
    const slash = entry.path.lastIndexOf('/');
    const parent = slash < 0 ? '' : entry.path.slice(0, slash);
    while (this.#ancestors.length > 0 && this.#ancestors.at(-1) !== parent) this.#ancestors.pop();
    if (parent !== '' && this.#ancestors.length === 0)
      throw this.#refuse(entry, 'stands in no directory of the manifest');
    if (this.#last?.type === 'stream') throw this.#refuse(entry, 'follows a stream');
  }

  #refuse(entry: Entry, why: string): CairnError {
    return refusal(`${JSON.stringify(entry.path)} ${why}`);
  }
}
