import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DIGEST_ALGORITHMS,
  DIGEST_LENGTH_BYTES,
  fileDigester,
  isDigestAlgorithm,
  loadHasher,
  sameDigest,
  transferDigest,
} from '../../src/manifest/digest.ts';
import { cutAt } from './arbitrary-file.ts';

const hashers = { xxh64: await loadHasher('xxh64'), sha256: await loadHasher('sha256') };

function hex(algorithm: 'xxh64' | 'sha256', ...pieces: Uint8Array[]): string {
  const hasher = hashers[algorithm]();
  for (const piece of pieces) hasher.update(piece);
  return Buffer.from(hasher.digest()).toString('hex');
}

describe('chunk digests', () => {
  it.each([
    ['', 'ef46db3751d8e999'],
    ['a', 'd24ec4f1a98c6e5b'],
    ['abc', '44bc2cf5ad770999'],
  ])('the digest of a chunk is XXH64 with seed 0, big-endian: %j', (text, expected) => {
    expect(hex('xxh64', Buffer.from(text))).toBe(expected);
  });

  it('the digest of a chunk is SHA-256 where that is asked for', () => {
    expect(hex('sha256', Buffer.from('abc'))).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it.each(DIGEST_ALGORITHMS)(
    'the %s digest of a chunk does not depend on how its bytes come',
    (algorithm) => {
      fc.assert(
        fc.property(
          fc.uint8Array({ maxLength: 300 }),
          fc.array(fc.nat(), { maxLength: 5 }),
          (bytes, cuts) => {
            const whole = Buffer.from(bytes);
            expect(hex(algorithm, ...cutAt(whole, cuts))).toBe(hex(algorithm, whole));
            expect(hex(algorithm, whole)).toHaveLength(2 * DIGEST_LENGTH_BYTES[algorithm]);
          },
        ),
      );
    },
  );

  it('two hashers at work at once do not disturb each other', () => {
    const bytes = Buffer.alloc(700_000, 'stone');
    const [one, two] = [hashers.xxh64(), hashers.xxh64()];
    one.update(bytes.subarray(0, 1000));
    two.update(bytes);
    one.update(bytes.subarray(1000));
    expect(sameDigest(one.digest(), two.digest())).toBe(true);
  });

  it('two digests are the same only when all bytes and the length are', () => {
    expect(sameDigest(Buffer.from([1, 2]), Buffer.from([1, 2]))).toBe(true);
    expect(sameDigest(Buffer.from([1, 2]), Buffer.from([1, 3]))).toBe(false);
    expect(sameDigest(Buffer.from([1, 2]), Buffer.from([1, 2, 0]))).toBe(false);
  });

  it('only xxh64 and sha256 are digest algorithms', () => {
    expect(['xxh64', 'sha256'].every(isDigestAlgorithm)).toBe(true);
    expect(['md5', '__proto__', 'toString', '', undefined, 1].some(isDigestAlgorithm)).toBe(false);
  });
});

describe('digests of files', () => {
  const digestOf = (chunkSizeBytes: number, ...pieces: Uint8Array[]): string => {
    const digester = fileDigester(hashers.xxh64, chunkSizeBytes);
    for (const piece of pieces) digester.update(piece);
    return digester.digest();
  };

  it('the digest of a file does not depend on how its bytes come', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        fc.integer({ min: 1, max: 60 }),
        (bytes, cuts, chunkSizeBytes) => {
          const whole = Buffer.from(bytes);
          expect(digestOf(chunkSizeBytes, ...cutAt(whole, cuts))).toBe(digestOf(chunkSizeBytes, whole));
        },
      ),
    );
  });

  it('the digest of a file depends on content, size and chunk size', () => {
    const zeros = (length: number): Buffer => Buffer.alloc(length);
    const digests = [
      digestOf(10),
      digestOf(20),
      ...[1, 9, 10, 11, 20].map((length) => digestOf(10, zeros(length))),
      digestOf(20, zeros(20)),
      digestOf(10, Buffer.alloc(20, 1)),
    ];
    expect(new Set(digests).size).toBe(digests.length);
  });
});

describe('digests of transfers', () => {
  const id = 'ab'.repeat(32);
  const chunks: [number, Uint8Array][] = [
    [0, Buffer.alloc(8, 1)],
    [1, Buffer.alloc(8, 2)],
  ];

  it('the digest of a transfer depends on the manifest, the size, the chunk numbers and their digests', () => {
    const digests = [
      transferDigest(id, 10, chunks),
      transferDigest('cd'.repeat(32), 10, chunks),
      transferDigest(id, 11, chunks),
      transferDigest(id, 10, chunks.slice(1)),
      transferDigest(id, 10, []),
      transferDigest(id, 10, [chunks[0]!, [2, chunks[1]![1]]]),
      transferDigest(id, 10, [chunks[0]!, [1, Buffer.alloc(8, 3)]]),
    ];
    expect(new Set(digests).size).toBe(digests.length);
    expect(transferDigest(id, Number.MAX_SAFE_INTEGER, [])).toMatch(/^[0-9a-f]{64}$/);
  });
});
