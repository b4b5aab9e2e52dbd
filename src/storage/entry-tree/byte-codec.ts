/** Numbers and texts as bytes: variable-length integers (LEB128), and texts behind their length. Pure. */
import { CairnError } from '../../base/errors.ts';

const MORE = 0x80;
const LOW_BITS = 0x7f;
const FIRST_BYTES = 1024;
const MTIME_BYTES = 8;

/** Collects bytes. */
export interface ByteWriter {
  /** An integer from 0 to 2^53 - 1. */
  count(value: number): void;
  /** A signed integer of 64 bits, big endian. */
  signed64(value: bigint): void;
  text(value: string): void;
  raw(bytes: Uint8Array): void;
  /** All bytes so far. */
  bytes(): Buffer;
}

/** Makes a writer. */
export function createByteWriter(): ByteWriter {
  let buffer = Buffer.allocUnsafe(FIRST_BYTES);
  let at = 0;
  const reserve = (more: number): void => {
    if (at + more <= buffer.byteLength) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.byteLength * 2, at + more));
    buffer.copy(larger, 0, 0, at);
    buffer = larger;
  };
  const count = (value: number): void => {
    reserve(8);
    let rest = value;
    while (rest > LOW_BITS) {
      buffer[at++] = (rest % MORE) | MORE;
      rest = Math.floor(rest / MORE);
    }
    buffer[at++] = rest;
  };
  return {
    count,
    signed64: (value) => {
      reserve(MTIME_BYTES);
      at = buffer.writeBigInt64BE(value, at);
    },
    text: (value) => {
      const lengthBytes = Buffer.byteLength(value);
      count(lengthBytes);
      reserve(lengthBytes);
      at += buffer.write(value, at);
    },
    raw: (bytes) => {
      reserve(bytes.byteLength);
      buffer.set(bytes, at);
      at += bytes.byteLength;
    },
    bytes: () => Buffer.from(buffer.subarray(0, at)),
  };
}

/** Reads what a {@link ByteWriter} wrote; every function throws `storage-io` for other bytes. */
export interface ByteReader {
  count(): number;
  /** A count of things that take at least `leastBytes` each, so that it cannot be larger than the bytes allow. */
  countOf(leastBytes: number): number;
  signed64(): bigint;
  text(): string;
  raw(lengthBytes: number): Buffer;
  /** Bytes read so far. */
  readonly at: number;
  /** Throws unless all bytes were read. */
  end(): void;
}

/** Makes a reader of `bytes`. */
export function createByteReader(bytes: Buffer): ByteReader {
  let at = 0;
  const raw = (lengthBytes: number): Buffer => {
    if (lengthBytes > bytes.byteLength - at) throw malformed('it ends early');
    at += lengthBytes;
    return bytes.subarray(at - lengthBytes, at);
  };
  const count = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= MORE) {
      const byte = bytes[at++];
      if (byte === undefined) throw malformed('it ends early');
      value += (byte & LOW_BITS) * factor;
      if (value > Number.MAX_SAFE_INTEGER) throw malformed('a number is too large');
      if (byte < MORE) {
        if (byte === 0 && factor > 1) throw malformed('a number is longer than it need be');
        return value;
      }
    }
  };
  return {
    count,
    countOf: (leastBytes) => {
      const value = count();
      if (value * leastBytes > bytes.byteLength - at) throw malformed('it counts more than it has');
      return value;
    },
    signed64: () => raw(MTIME_BYTES).readBigInt64BE(),
    text: () => raw(count()).toString(),
    raw,
    get at() {
      return at;
    },
    end: () => {
      if (at !== bytes.byteLength) throw malformed('bytes follow its end');
    },
  };
}

/** The error for bytes that are no page of the tree. */
export function malformed(why: string): CairnError {
  return new CairnError('storage-io', `a page of the published tree cannot be read: ${why}`);
}
