/**
 * The chunker `gear2`: cuts the bytes of a file into grains, and runs of grains into blocks. Where they end depends on
 * the bytes around that place only, so bytes that moved are cut as before.
 *
 * G[b] is the first 8 bytes (little-endian) of SHA-256("cairn gear 1" ‖ b). With each byte b of a grain the hash goes
 * from h to (2h + G[b]) mod 2^64; only the bytes of a grain from the 449th on have a part in it. A grain ends behind its nth byte
 * where bits 62 to 50 of the hash are zero (512 ≤ n < 2,048), where bits 62 to 54 are (2,048 ≤ n < 8,192), at n =
 * 8,192, and at the end of the file. A block of m bytes ends with a grain where bits 40 to 35 of the grain's last hash
 * are zero (16 KiB ≤ m < 64 KiB), where bits 40 to 37 are (64 KiB ≤ m), where m + 8,192 > 256 KiB, and at the end of
 * the file. A file of less than 128 KiB is one block. Vectors, which hold for ever: `fixtures/gear2/cuts.json`.
 */
import { createHash } from 'node:crypto';
import { CairnError } from '../base/errors.ts';
import { GEAR2_CODE } from './gear2-code.ts';

/** The least and the most bytes of a grain; the last one of a file may have less. */
export const GRAIN_BYTES = { min: 512, max: 8192 } as const;
/** The least and the most bytes of a block; the last one of a file may have less. */
export const BLOCK_BYTES = { min: 16 * 1024, max: 256 * 1024 } as const;
/** A file with fewer bytes is one block. */
export const MANY_BLOCKS_FROM_BYTES = 128 * 1024;

/** From here on a block ends where fewer bits are zero. */
const USUAL_BLOCK_BYTES = 64 * 1024;
/** Bits of the mark that have to be zero for a block to end. */
const MARKS = { small: 0b11_1111, large: 0b11_1100 };

/** Where the tables and the input lie in the memory of the WebAssembly: `gear2.wat`. */
const PLACES = { gear: 0, shiftedGear: 2048, input: 4096 };
const INPUT_BYTES = 256 * 1024;
/** What is copied there to find the end of one block: few have more. */
const BLOCK_INPUT_BYTES = 128 * 1024;

/** Called with each grain, in order: its bytes, and whether a block ends with it. */
export type GrainSink = (lengthBytes: number, endsBlock: boolean) => void;

/** Cuts one file after the other. */
export interface Cutter {
  /** Begins a file of so many bytes. A block can also be cut as such a file: it has the same grains alone. */
  begin(sizeBytes: number): void;
  /** Takes the next bytes, and reports the grains that end in them; the last one with the last byte of the file. */
  update(bytes: Uint8Array, onGrain: GrainSink): void;
  /**
   * The bytes of the block that begins with the first of these, of a file that is large enough for many blocks. There have to be
   * as many as a block can have, or all to the end of the file. A file that was begun is forgotten.
   */
  blockBytesOf(bytes: Uint8Array): number;
}

/** What `gear2.wat` exports. */
interface Gear2Code {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly mark: { readonly value: number };
  cut(at: number, end: number): number;
  reset(): void;
}

// The types of Node 20 have none of it.
declare const WebAssembly: {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

let compiled: object | undefined;

/** Makes a cutter, which takes 320 KiB. */
export function createCutter(): Cutter {
  compiled ??= new WebAssembly.Module(Buffer.from(GEAR2_CODE, 'base64'));
  const code = new WebAssembly.Instance(compiled).exports as Gear2Code;
  writeTables(code.memory.buffer);
  const input = new Uint8Array(code.memory.buffer, PLACES.input, INPUT_BYTES);
  let sizeBytes = 0;
  let leftBytes = 0;
  /** Bytes of the grain and of the block that are begun. */
  let grainBytes = 0;
  let blockBytes = 0;

  const close = (onGrain: GrainSink): void => {
    const lengthBytes = grainBytes;
    grainBytes = 0;
    blockBytes += lengthBytes;
    const endsBlock =
      leftBytes === 0 || (sizeBytes >= MANY_BLOCKS_FROM_BYTES && isBlockEnd(blockBytes, code.mark.value));
    if (endsBlock) blockBytes = 0;
    onGrain(lengthBytes, endsBlock);
  };
  const take = (slice: Uint8Array, onGrain: GrainSink): void => {
    input.set(slice);
    const end = PLACES.input + slice.byteLength;
    for (let at = PLACES.input; at < end;) {
      const found = code.cut(at, end);
      const next = found === 0 ? end : found;
      grainBytes += next - at;
      leftBytes -= next - at;
      at = next;
      if (found !== 0 || leftBytes === 0) close(onGrain);
    }
  };
  return {
    begin: (size) => {
      code.reset();
      sizeBytes = leftBytes = size;
      grainBytes = blockBytes = 0;
    },
    update: (bytes, onGrain) => {
      if (bytes.byteLength > leftBytes)
        throw new CairnError('internal', 'a file has more bytes than its size');
      for (let at = 0; at < bytes.byteLength; at += INPUT_BYTES) {
        take(bytes.subarray(at, Math.min(at + INPUT_BYTES, bytes.byteLength)), onGrain);
      }
    },
    blockBytesOf: (bytes) => {
      code.reset();
      for (let from = 0; from < bytes.byteLength; from += BLOCK_INPUT_BYTES) {
        const slice = bytes.subarray(from, from + BLOCK_INPUT_BYTES);
        input.set(slice);
        const end = PLACES.input + slice.byteLength;
        for (let at = code.cut(PLACES.input, end); at !== 0; at = at < end ? code.cut(at, end) : 0) {
          const lengthBytes = from + at - PLACES.input;
          if (isBlockEnd(lengthBytes, code.mark.value)) return lengthBytes;
        }
      }
      return bytes.byteLength;
    },
  };
}

function isBlockEnd(blockBytes: number, mark: number): boolean {
  if (blockBytes + GRAIN_BYTES.max > BLOCK_BYTES.max) return true;
  if (blockBytes < BLOCK_BYTES.min) return false;
  return (mark & (blockBytes < USUAL_BLOCK_BYTES ? MARKS.small : MARKS.large)) === 0;
}

function writeTables(buffer: ArrayBuffer): void {
  const tables = new DataView(buffer);
  for (let byte = 0; byte < 256; byte += 1) {
    const hash = createHash('sha256').update('cairn gear 1').update(Uint8Array.of(byte)).digest();
    const gear = hash.readBigUInt64LE();
    tables.setBigUint64(PLACES.gear + 8 * byte, gear, true);
    tables.setBigUint64(PLACES.shiftedGear + 8 * byte, BigInt.asUintN(64, gear << 1n), true);
  }
}
