/**
 * Records of blocks and of grains in an answer: frames of the number of an entry (u32), the length of what follows (u32,
 * big-endian), and records of this entry, which may end anywhere. A frame without records only says that the server is at
 * work; one of the number {@link NO_ENTRY} ends the answer.
 */
import { CairnError } from '../base/errors.ts';

const HEAD_BYTES = 8;
const NO_ENTRY = 0xffff_ffff;
/** Most bytes of one frame, with its head. */
export const MAX_FRAME_BYTES = 64 * 1024;

/** Most bytes of the blocks that a client tells a server. */
export const MAX_TOLD_BYTES = 16 * 1024 * 1024;
/** What is sent in one. */
const FRAME_RECORDS_BYTES = MAX_FRAME_BYTES / 2;

/** One frame. */
export function encodeFrame(entry: number, records: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + records.byteLength);
  frame.writeUInt32BE(entry, 0);
  frame.writeUInt32BE(records.byteLength, 4);
  frame.set(records, HEAD_BYTES);
  return frame;
}

/** The frames of all records of an entry; one without records where there are none. */
export function* encodeFrames(entry: number, records: Uint8Array): Generator<Buffer> {
  for (let at = 0; at === 0 || at < records.byteLength; at += FRAME_RECORDS_BYTES)
    yield encodeFrame(entry, records.subarray(at, at + FRAME_RECORDS_BYTES));
}

/** The frame that ends an answer. */
export function lastFrame(): Buffer {
  return encodeFrame(NO_ENTRY, Buffer.alloc(0));
}

/** Hears of records of an entry as they arrive; `from` is how many bytes of them came before in the same answer. */
export type RecordsListener = (entry: number, from: number, records: Uint8Array) => void;

/**
 * Reads the records of an answer by entry.
 *
 * @param isWanted whether an entry was asked for
 * @param maxBytes most bytes of all records together
 * @param onRecords is told of them as they arrive
 * @throws CairnError `chunk-incomplete` for one that was cut, `invalid-request`; errors of the source
 */
export async function readFrames(
  source: AsyncIterable<Uint8Array>,
  isWanted: (entry: number) => boolean,
  maxBytes: number,
  onRecords?: RecordsListener,
): Promise<Map<number, Buffer>> {
  const pieces = new Map<number, { bytes: number; readonly all: Buffer[] }>();
  let rest = Buffer.alloc(0);
  let isOver = false;
  let leftBytes = maxBytes;
  for await (const piece of source) {
    rest = Buffer.concat([rest, piece]);
    let at = 0;
    while (rest.byteLength - at >= HEAD_BYTES) {
      const entry = rest.readUInt32BE(at);
      const lengthBytes = rest.readUInt32BE(at + 4);
      if (isOver || lengthBytes + HEAD_BYTES > MAX_FRAME_BYTES)
        throw refused('a frame is too long, or too late');
      if (rest.byteLength - at < HEAD_BYTES + lengthBytes) break;
      const records = rest.subarray(at + HEAD_BYTES, at + HEAD_BYTES + lengthBytes);
      at += HEAD_BYTES + lengthBytes;
      isOver = entry === NO_ENTRY;
      if (lengthBytes === 0) continue;
      if (!isWanted(entry)) throw refused(`nobody asked for entry ${entry}`);
      leftBytes -= lengthBytes;
      if (leftBytes < 0) throw refused('it has more records than such files can have');
      const own = pieces.get(entry) ?? { bytes: 0, all: [] };
      pieces.set(entry, own);
      own.all.push(Buffer.from(records));
      onRecords?.(entry, own.bytes, records);
      own.bytes += lengthBytes;
    }
    rest = Buffer.from(rest.subarray(at));
  }
  if (!isOver || rest.byteLength > 0)
    throw new CairnError('chunk-incomplete', 'the list of blocks was cut before its end');
  return new Map([...pieces].map(([entry, { all }]) => [entry, Buffer.concat(all)]));
}

function refused(why: string): CairnError {
  return new CairnError('invalid-request', `the answer with blocks is refused: ${why}`);
}
