/**
 * The bytes of a journal (all integers big-endian). Pure: journal.ts does the reading and writing.
 *
 *     file    magic "cairnJN\n" (8) | version u32 | CRC-32 of the 12 bytes before u32 | record …
 *     record  magic u32 | payload length u32 | sequence u32 | kind u8 | payload | CRC-32 of all of the record before u32
 *
 * Sequences go 0, 1, 2 …, so that a record which lies there from earlier, or out of its place, is not taken for the next.
 * The 16 bytes at the start keep this form in every later version.
 */
import { crc32 } from 'node:zlib';
import { CairnError } from '../base/errors.ts';

/** Version of the format that this code writes, and the newest that it reads. */
export const JOURNAL_VERSION = 1;
/** Bytes at the start of the file, before the first record. */
export const HEADER_BYTES = 16;
/** Longest payload of one record, in bytes; a length above it is damage. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** Bytes that the search for a later record may check, as a multiple of the file's length. */
const SEARCH_FACTOR = 16;

const FILE_MAGIC = Buffer.from('cairnJN\n', 'latin1');
/** Not text, and not its own beginning again when shifted, so that a search for it finds few false starts. */
const RECORD_MAGIC = Buffer.from([0xca, 0x12, 0x4e, 0x9d]);
const BEFORE_PAYLOAD = 13;
const OVERHEAD = BEFORE_PAYLOAD + 4;

/** One record, as it is given and taken. */
export interface JournalRecord {
  /** What the payload is, 0 to 255; the journal does not care. */
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** What {@link readJournal} found. */
export interface JournalContent {
  /** The longest valid prefix. The payloads are views of the bytes that were read. */
  readonly records: JournalRecord[];
  /** Length of that prefix in bytes; 0 when not even the header is whole. */
  readonly validBytes: number;
  /** There are bytes after the prefix, and nothing valid in them: the write that was going on at the crash. */
  readonly torn: boolean;
  /** Offset in bytes of a bad record that has a valid later one behind it: damage, of what had been durable. */
  readonly corruptAt: number | undefined;
}

/** The first bytes of a journal of `version`. */
export function encodeHeader(version = JOURNAL_VERSION): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  FILE_MAGIC.copy(header);
  header.writeUInt32BE(version, 8);
  header.writeUInt32BE(crc32(header.subarray(0, 12)), 12);
  return header;
}

/** How long a record is in the file, in bytes. */
export function encodedBytes({ payload }: JournalRecord): number {
  return OVERHEAD + payload.byteLength;
}

/** The bytes of one record. @throws CairnError `internal` when the payload is too long or the numbers do not fit */
export function encodeRecord(record: JournalRecord, sequence: number): Buffer {
  const length = record.payload.byteLength;
  if (length > MAX_PAYLOAD_BYTES || sequence > 0xffff_ffff || record.kind > 0xff) {
    throw new CairnError(
      'internal',
      `a journal record of ${length} bytes (kind ${record.kind}, no. ${sequence})`,
    );
  }
  const bytes = Buffer.allocUnsafe(OVERHEAD + length);
  RECORD_MAGIC.copy(bytes);
  bytes.writeUInt32BE(length, 4);
  bytes.writeUInt32BE(sequence, 8);
  bytes.writeUInt8(record.kind, 12);
  bytes.set(record.payload, BEFORE_PAYLOAD);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, BEFORE_PAYLOAD + length)), BEFORE_PAYLOAD + length);
  return bytes;
}

interface Located {
  readonly record: JournalRecord;
  readonly sequence: number;
  readonly end: number;
}

/** The record at offset `at`, if a whole one is there whose sequence is within the given bounds. */
function recordAt(bytes: Buffer, at: number, lowest: number, highest: number): Located | undefined {
  if (bytes.length - at < OVERHEAD || RECORD_MAGIC.compare(bytes, at, at + 4) !== 0) return undefined;
  const length = bytes.readUInt32BE(at + 4);
  const sequence = bytes.readUInt32BE(at + 8);
  const end = at + OVERHEAD + length;
  // Before the CRC, which costs: so that damage cannot make the search slow.
  if (length > MAX_PAYLOAD_BYTES || end > bytes.length || sequence < lowest || sequence > highest)
    return undefined;
  if (crc32(bytes.subarray(at, end - 4)) !== bytes.readUInt32BE(end - 4)) return undefined;
  const payload = bytes.subarray(at + BEFORE_PAYLOAD, end - 4);
  return { record: { kind: bytes.readUInt8(at + 12), payload }, sequence, end };
}

function headerIsValid(bytes: Buffer): boolean {
  if (bytes.length < HEADER_BYTES || FILE_MAGIC.compare(bytes, 0, 8) !== 0) return false;
  if (crc32(bytes.subarray(0, 12)) !== bytes.readUInt32BE(12)) return false;
  const version = bytes.readUInt32BE(8);
  if (version > JOURNAL_VERSION) {
    const message = `the journal has format ${version}, and this cairn reads up to ${JOURNAL_VERSION}: use a newer one`;
    throw new CairnError('journal-version', message, { details: { version } });
  }
  return version === JOURNAL_VERSION;
}

/**
 * The longest valid prefix of a journal, and whether what comes after it is a torn tail or damage.
 *
 * @throws CairnError `journal-version` when a newer cairn wrote it
 */
export function readJournal(bytes: Buffer): JournalContent {
  const records: JournalRecord[] = [];
  const whole = headerIsValid(bytes);
  let validBytes = whole ? HEADER_BYTES : 0;
  if (whole) {
    for (;;) {
      const found = recordAt(bytes, validBytes, records.length, records.length);
      if (found === undefined) break;
      records.push(found.record);
      validBytes = found.end;
    }
  }
  const more = validBytes < bytes.length;
  const isDamage =
    more && (hasLaterRecord(bytes, validBytes, records.length) || isForeign(bytes, validBytes));
  return { records, validBytes, torn: more && !isDamage, corruptAt: isDamage ? validBytes : undefined };
}

/** The header is durable before any record is written: more bytes behind a bad one were never a torn write. */
function isForeign(bytes: Buffer, validBytes: number): boolean {
  return validBytes === 0 && bytes.length > HEADER_BYTES;
}

function hasLaterRecord(bytes: Buffer, from: number, nextSequence: number): boolean {
  const highest = nextSequence + Math.ceil((bytes.length - from) / OVERHEAD);
  let budget = SEARCH_FACTOR * bytes.length;
  for (let at = bytes.indexOf(RECORD_MAGIC, from); at !== -1; at = bytes.indexOf(RECORD_MAGIC, at + 1)) {
    // At the very place of the bad record any later sequence will do: then the one that belongs there is gone.
    if (recordAt(bytes, at, nextSequence + (at === from ? 1 : 0), highest) !== undefined) return true;
    if (at + OVERHEAD <= bytes.length) budget -= Math.min(bytes.readUInt32BE(at + 4), bytes.length - at);
    // So many false starts are no accident, and a torn write has none: to call it damage is the careful answer.
    if (budget < 0) return true;
  }
  return false;
}
