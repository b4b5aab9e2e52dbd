import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import * as zlib from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { ChunkEncoding } from '../../src/session/encoding.ts';
import { decodeBody, encodeBody } from '../../src/transfer/compressed-chunk.ts';
import { openEncoder } from '../../src/transfer/zlib-pump.ts';
import { ENCODINGS, textOf } from '../support/encodings.ts';

const MIB = 2 ** 20;
const { zstdCompressSync } = zlib as unknown as { zstdCompressSync: (bytes: Uint8Array) => Buffer };

async function* split(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const length = lengths[index % lengths.length]!;
    // Whoever gets a piece must be done with it before the next one.
    const piece = Buffer.from(bytes.subarray(at, at + length));
    at += length;
    yield piece;
    piece.fill(0xaa);
  }
}

async function encoded(bytes: Uint8Array, encoding: ChunkEncoding): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  const encoder = openEncoder(encoding);
  for await (const piece of encoder.write(bytes)) pieces.push(piece);
  for await (const piece of encoder.end()) pieces.push(piece);
  await encoder.close();
  return Buffer.concat(pieces);
}

/** What comes out before the end, and the code of the error that it ends with. */
async function decoded(
  source: AsyncIterable<Uint8Array>,
  encoding: ChunkEncoding,
  mostBytes = Infinity,
): Promise<{ bytes: Buffer; code: string | undefined }> {
  const out: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const piece of decodeBody(source, { encoding, chunk: 3 })) {
      out.push(piece);
      bytes += piece.byteLength;
      if (bytes > mostBytes) break;
    }
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return { bytes: Buffer.concat(out), code: error.code };
  }
  return { bytes: Buffer.concat(out), code: undefined };
}

describe.each(ENCODINGS)('%s', (encoding) => {
  test('a chunk decodes to the bytes that were encoded, however both were split', async () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 });
    const kinds = fc.constantFrom('text', 'noise', 'zeros', 'text and noise');
    await fc.assert(
      fc.asyncProperty(
        kinds,
        fc.integer({ min: 1, max: 300_000 }),
        lengths,
        lengths,
        async (kind, size, ins, outs) => {
          const half = size >> 1;
          const bytes = {
            'text': () => textOf(size),
            'noise': () => randomBytes(size),
            'zeros': () => Buffer.alloc(size),
            'text and noise': () => Buffer.concat([textOf(half), randomBytes(size - half)]),
          }[kind]();
          const body = await encodeBody(split(bytes, ins), { encoding, decodedBytes: bytes.length });
          if (kind === 'noise') expect(body).toBeUndefined();
          if (body === undefined) return;
          expect(body.lengthBytes).toBeLessThanOrEqual(bytes.length * 0.9);
          const whole = Buffer.concat(body.pieces);
          expect(whole.length).toBe(body.lengthBytes);
          const back = await decoded(split(whole, outs), encoding);
          expect([back.code, back.bytes.equals(bytes)]).toEqual([undefined, true]);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the encoder reads no more of noise than a sample, and gives up on what shrinks only at first', async () => {
    let readBytes = 0;
    async function* noise(): AsyncGenerator<Uint8Array> {
      for (; readBytes < 4 * MIB; readBytes += 65_536) yield randomBytes(65_536);
    }
    expect(await encodeBody(noise(), { encoding, decodedBytes: 4 * MIB })).toBeUndefined();
    expect(readBytes).toBeLessThanOrEqual(65_536);
    const bytes = Buffer.concat([textOf(65_536), randomBytes(4 * MIB)]);
    expect(await encodeBody(split(bytes, [MIB]), { encoding, decodedBytes: bytes.length })).toBeUndefined();
  });

  test('an error of the source is thrown by the encoder and the decoder, after the bytes that came before it', async () => {
    const failure = new CairnError('source-changed', 'it changed');
    async function* failing(bytes: Buffer): AsyncGenerator<Uint8Array> {
      yield bytes;
      throw failure;
    }
    const text = textOf(MIB);
    await expect(encodeBody(failing(text), { encoding, decodedBytes: 2 * MIB })).rejects.toBe(failure);
    const whole = await encoded(text, encoding);
    const { bytes, code } = await decoded(failing(whole.subarray(0, whole.length / 2)), encoding);
    expect(code).toBe('source-changed');
    expect(bytes.length).toBeGreaterThan(MIB / 4);
    expect(text.subarray(0, bytes.length).equals(bytes)).toBe(true);
  });

  test('a bomb decodes to hardly more bytes than are taken, in little memory', async () => {
    const bytes = Buffer.alloc(256 * MIB);
    const bomb = encoding === 'gzip' ? gzipSync(bytes) : zstdCompressSync(bytes);
    const before = process.memoryUsage.rss();
    const { bytes: out } = await decoded(split(bomb, [bomb.length]), encoding, MIB);
    expect(out.length).toBeLessThan(1.2 * MIB);
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
  });

  const text = textOf(200_000);
  test.each([
    ['noise', async () => randomBytes(5000), 'chunk-digest-mismatch'],
    ['plain text', async () => text, 'chunk-digest-mismatch'],
    ['nothing', async () => Buffer.alloc(0), 'chunk-incomplete'],
    [
      'half of the encoded bytes',
      async () => (await encoded(text, encoding)).subarray(0, 10_000),
      'chunk-incomplete',
    ],
    [
      'all encoded bytes but one',
      async () => (await encoded(text, encoding)).subarray(0, -1),
      'chunk-incomplete',
    ],
    [
      'noise behind its end',
      async () => Buffer.concat([await encoded(text, encoding), randomBytes(50)]),
      'chunk-digest-mismatch',
    ],
    [
      'zeros behind its end',
      async () => Buffer.concat([await encoded(text, encoding), Buffer.alloc(50)]),
      'chunk-digest-mismatch',
    ],
  ])('the decoder refuses a body that is or has %s, in pieces of any length', async (_, make, code) => {
    const bytes = await make();
    for (const lengths of [
      [bytes.length || 1],
      [1],
      [1000],
      [bytes.length - 50, 50].filter((length) => length > 0),
    ])
      expect((await decoded(split(bytes, lengths), encoding)).code).toBe(code);
  });
});

test.skipIf(!ENCODINGS.includes('zstd'))(
  'the decoder refuses a zstd frame that needs much memory',
  async () => {
    const { zstdCompressSync: compress, constants } = zlib as unknown as {
      zstdCompressSync: (bytes: Uint8Array, options: object) => Buffer;
      constants: Record<string, number>;
    };
    const params = { [constants['ZSTD_c_windowLog']!]: 27, [constants['ZSTD_c_compressionLevel']!]: 1 };
    const greedy = compress(Buffer.concat([textOf(5 * MIB), Buffer.alloc(200 * MIB)]), { params });
    expect((await decoded(split(greedy, [65_536]), 'zstd')).code).toBe('chunk-digest-mismatch');
  },
);
