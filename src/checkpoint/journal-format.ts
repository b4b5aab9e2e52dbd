/**
 * The bytes of a journal (all integers big-endian). Pure: journal.ts reads and writes.
 *
 *     file    magic "cairnJN\n" (8) | version u32 | CRC-32 of the 12 bytes before u32 | record …
 *     record  magic u32 | payload length u32 | sequence u32 | kind u8 | payload | CRC-32 of the record so far u32
 *
 * Sequences count 0, 1, 2 …, so that a reader does not take an old or misplaced record for the next one. The 16 bytes
 * at the start keep this form in every later version.
 */
import { crc32 } from 'node:zlib';
import { CairnError } from '../base/errors.ts';

/** The format version that this code writes, and the newest that it reads. */
export const JOURNAL_VERSION = 1;
/** Bytes at the start of the file, before the first record. */
export const HEADER_BYTES = 16;
/** Longest payload of one record, in bytes; a length above it is damage. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

/** The bytes that the search for a later record may check, as a multiple of the file's length. */
const SEARCH_FACTOR = 16;

const FILE_MAGIC = Buffer.from('cairnJN\n', 'latin1');
/** Not text, and never its own start again when shifted, so that a search finds few false starts. */
const RECORD_MAGIC = Buffer.from([0xca, 0x12, 0x4e, 0x9d]);
const BEFORE_PAYLOAD = 13;
const OVERHEAD = BEFORE_PAYLOAD + 4;

/** One record, as the caller sees it. */
export interface JournalRecord {
  /** The kind of payload, 0 to 255; the journal does not interpret it. */
  readonly kind: number;
  readonly payload: Uint8Array;
}

/** The result of {@link readJournal}. */
export interface JournalContent {
  /** The longest valid prefix. The payloads are views of the bytes that were read. */
  readonly records: JournalRecord[];
  /** Length of that prefix in bytes; 0 when not even the header is whole. */
  readonly validBytes: number;
  /** The prefix is followed by bytes without a valid record: the write that the crash interrupted. */
  readonly torn: boolean;
  /** Offset in bytes of a bad record that precedes a valid one: damage to data that had been durable. */
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

/** The length of a record in the file, in bytes. */
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

/** The whole record at offset `at` whose sequence is within the bounds; undefined where there is none. */
function recordAt(bytes: Buffer, at: number, lowest: number, highest: number): Located | undefined {
  if (bytes.length - at < OVERHEAD || RECORD_MAGIC.compare(bytes, at, at + 4) !== 0) return undefined;
  const length = bytes.readUInt32BE(at + 4);
  const sequence = bytes.readUInt32BE(at + 8);
  const end = at + OVERHEAD + length;
  // These checks precede the costly CRC, so that damage cannot make the search slow.
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
 * The longest valid prefix of a journal, and whether the bytes behind it are a torn tail or damage.
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

/** Whether a bad header precedes other bytes. The header is durable before any record, so that is no torn write. */
function isForeign(bytes: Buffer, validBytes: number): boolean {
  return validBytes === 0 && bytes.length > HEADER_BYTES;
}

function hasLaterRecord(bytes: Buffer, from: number, nextSequence: number): boolean {
  const highest = nextSequence + Math.ceil((bytes.length - from) / OVERHEAD);
  let budget = SEARCH_FACTOR * bytes.length;
  for (let at = bytes.indexOf(RECORD_MAGIC, from); at !== -1; at = bytes.indexOf(RECORD_MAGIC, at + 1)) {
    // At the place of the bad record itself any later sequence counts: then the expected record is missing.
    if (recordAt(bytes, at, nextSequence + (at === from ? 1 : 0), highest) !== undefined) return true;
    if (at + OVERHEAD <= bytes.length) budget -= Math.min(bytes.readUInt32BE(at + 4), bytes.length - at);
    // So many false starts are no accident, and a torn write has none: damage is the careful answer.
    if (budget < 0) return true;
  }
  return false;
}
