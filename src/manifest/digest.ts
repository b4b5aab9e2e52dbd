/**
 * Digests of chunks, files and whole transfers.
 *
 * A chunk's digest is XXH64 (seed 0, big-endian) or SHA-256 of its bytes. Digests of files and transfers are SHA-256
 * over chunk digests, so chunks may arrive in any order, before and after a resume.
 * Vectors: `fixtures/wire/digests.json`.
 */
import { createHash } from 'node:crypto';
import xxhash, { type XXHashAPI } from 'xxhash-wasm';

/** Digest algorithms of chunks: `xxh64` detects accidents at memory speed, `sha256` also detects attacks. */
export const DIGEST_ALGORITHMS = ['xxh64', 'sha256'] as const;
/** One of {@link DIGEST_ALGORITHMS}. */
export type DigestAlgorithm = (typeof DIGEST_ALGORITHMS)[number];

/** Length of a chunk's digest in bytes. */
export const DIGEST_LENGTH_BYTES: Readonly<Record<DigestAlgorithm, number>> = { xxh64: 8, sha256: 32 };

/** Takes bytes in order and returns their digest once. */
export interface Hasher {
  update(bytes: Uint8Array): void;
  digest(): Uint8Array;
}

/** Makes a new hasher. */
export type HasherFactory = () => Hasher;

/** Whether `value` names a digest algorithm. */
export function isDigestAlgorithm(value: unknown): value is DigestAlgorithm {
  return DIGEST_ALGORITHMS.some((algorithm) => algorithm === value);
}

/** XXH64 copies its input into WebAssembly memory, which never shrinks: so it gets slices of this size. */
const SLICE_BYTES = 256 * 1024;

let xxhashApi: Promise<XXHashAPI> | undefined;
let xxh64: Promise<HasherFactory> | undefined;

/**
 * Loads an algorithm; the returned factory is synchronous. All callers share the loaded code. An early call helps,
 * since WebAssembly is compiled in the background.
 */
export function loadHasher(algorithm: DigestAlgorithm): Promise<HasherFactory> {
  if (algorithm === 'sha256') return Promise.resolve(sha256Hasher);
  xxh64 ??= loadXxh64();
  return xxh64;
}

async function loadXxh64(): Promise<HasherFactory> {
  const api = await loadXxhash();
  return () => xxh64Hasher(api, 0n);
}

/** Loads XXH64, which all callers share. */
export function loadXxhash(): Promise<XXHashAPI> {
  xxhashApi ??= xxhash();
  return xxhashApi;
}

/** Makes a hasher of XXH64 with this seed; the digest is big-endian. */
export function xxh64Hasher({ create64 }: XXHashAPI, seed: bigint): Hasher {
  const state = create64(seed);
  return {
    update: (bytes) => {
      for (let at = 0; at < bytes.byteLength; at += SLICE_BYTES) {
        state.update(bytes.subarray(at, Math.min(at + SLICE_BYTES, bytes.byteLength)));
      }
    },
    digest: () => {
      const out = Buffer.allocUnsafe(8);
      out.writeBigUInt64BE(state.digest());
      return out;
    },
  };
}

function sha256Hasher(): Hasher {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

/** Whether two digests are the same bytes. */
export function sameDigest(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

function u64(value: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
}

/**
 * The digest of a whole transfer: SHA-256 of `"cairn transfer 1\n"`, the manifest id (32 bytes), the payload size
 * (u64), then chunk number (u64) and digest of every carried chunk, in ascending order; all integers big-endian. 64 hex
 * digits.
 */
export function transferDigest(
  manifestId: string,
  bytesTotal: number,
  chunks: Iterable<readonly [chunk: number, digest: Uint8Array]>,
): string {
  const hash = createHash('sha256')
    .update('cairn transfer 1\n')
    .update(Buffer.from(manifestId, 'hex'))
    .update(u64(bytesTotal));
  for (const [chunk, digest] of chunks) hash.update(u64(chunk)).update(digest);
  return hash.digest('hex');
}

/**
 * Computes the digest of one file from its bytes in order: SHA-256 of `"cairn file 1\n"`, the chunk size (u64), the
 * file's size (u64), then the digest of each piece of chunk size (the last one shorter; none for an empty file).
 * `digest()` returns 64 hex digits.
 */
export function fileDigester(
  createHasher: HasherFactory,
  chunkSizeBytes: number,
): { update(bytes: Uint8Array): void; digest(): string } {
  const pieces: Uint8Array[] = [];
  let hasher = createHasher();
  let inPiece = 0;
  let sizeBytes = 0;
  const close = (): void => {
    pieces.push(hasher.digest());
    hasher = createHasher();
    inPiece = 0;
  };
  return {
    update: (bytes) => {
      sizeBytes += bytes.byteLength;
      for (let at = 0; at < bytes.byteLength;) {
        const take = Math.min(chunkSizeBytes - inPiece, bytes.byteLength - at);
        hasher.update(bytes.subarray(at, at + take));
        at += take;
        inPiece += take;
        if (inPiece === chunkSizeBytes) close();
      }
    },
    digest: () => {
      if (inPiece > 0) close();
      const hash = createHash('sha256')
        .update('cairn file 1\n')
        .update(u64(chunkSizeBytes))
        .update(u64(sizeBytes));
      for (const piece of pieces) hash.update(piece);
      return hash.digest('hex');
    },
  };
}
