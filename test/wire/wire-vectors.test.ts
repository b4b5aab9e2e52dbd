/** The vectors in fixtures/wire, which any implementation of the protocol can check itself against. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CairnError, ERROR_TABLE, type ErrorCode, type ErrorDetails } from '../../src/base/errors.ts';
import { fileDigester, loadHasher, transferDigest, type DigestAlgorithm } from '../../src/manifest/digest.ts';
import { createLayout } from '../../src/manifest/layout.ts';
import { createManifest, encodeManifest } from '../../src/manifest/manifest.ts';
import { createManifestReader } from '../../src/manifest/manifest-reader.ts';
import type { ChunkEncoding } from '../../src/session/encoding.ts';
import { errorOfResponse, PROBLEM_TYPE, problemOf, type Problem } from '../../src/wire/problem.ts';
import { encodeTree, readTree, type Notice } from '../../src/wire/tree-stream.ts';
import { decodeBody } from '../../src/transfer/compressed-chunk.ts';
import { ENCODINGS } from '../support/encodings.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../../fixtures/wire');

function vectors(name: string): unknown {
  return JSON.parse(readFileSync(path.join(FIXTURES, name), 'utf8'));
}

interface Content {
  readonly patternHex: string;
  readonly lengthBytes: number;
}

const bytesOf = ({ patternHex, lengthBytes }: Content): Buffer =>
  lengthBytes === 0 ? Buffer.alloc(0) : Buffer.alloc(lengthBytes, Buffer.from(patternHex, 'hex'));

async function codeOf(doing: () => unknown): Promise<string> {
  try {
    await doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

describe('digests.json', async () => {
  const hashers = { xxh64: await loadHasher('xxh64'), sha256: await loadHasher('sha256') };
  const { chunks, files, transfers } = vectors('digests.json') as {
    chunks: (Content & { xxh64: string; sha256: string })[];
    files: (Content & { chunkSizeBytes: number; algorithm: DigestAlgorithm; digest: string })[];
    transfers: { manifestId: string; bytesTotal: number; chunks: [number, string][]; digest: string }[];
  };

  it.each(chunks)('the vector of a chunk of $lengthBytes bytes of $patternHex has its digests', (vector) => {
    for (const algorithm of ['xxh64', 'sha256'] as const) {
      const hasher = hashers[algorithm]();
      hasher.update(bytesOf(vector));
      expect(Buffer.from(hasher.digest()).toString('hex')).toBe(vector[algorithm]);
    }
  });

  it.each(files)('the vector of a file of $lengthBytes bytes in $algorithm has its digest', (vector) => {
    const digester = fileDigester(hashers[vector.algorithm], vector.chunkSizeBytes);
    digester.update(bytesOf(vector));
    expect(digester.digest()).toBe(vector.digest);
  });

  it.each(transfers)('the vector of a transfer of $bytesTotal bytes has its digest', (vector) => {
    const parts = vector.chunks.map(([chunk, hex]) => [chunk, Buffer.from(hex, 'hex')] as const);
    expect(transferDigest(vector.manifestId, vector.bytesTotal, parts)).toBe(vector.digest);
  });
});

describe('manifests.json', () => {
  interface Accepted {
    readonly name: string;
    readonly lines: string[];
    readonly id: string;
    readonly entries: number;
    readonly chunks?: [number, number, number, number][][];
  }
  const { accepted, refused } = vectors('manifests.json') as {
    accepted: Accepted[];
    refused: { name: string; lines: string[]; code: string }[];
  };

  const read = (lines: readonly string[], id?: string) => {
    const reader = createManifestReader();
    for (const line of lines) reader.line(line);
    return reader.finish(id);
  };

  it.each(accepted)('the vector of a manifest "$name" is accepted', ({ lines, id, entries }) => {
    const manifest = read(lines, id);
    expect([manifest.id, manifest.entries.length]).toEqual([id, entries]);
    expect([...encodeManifest(manifest)].join('')).toBe(lines.map((line) => `${line}\n`).join(''));
    expect(createManifest(manifest, manifest.entries)).toEqual(manifest);
  });

  it.each(accepted.filter(({ chunks }) => chunks !== undefined))(
    'the vector of a manifest "$name" is laid out as it says',
    ({ lines, chunks }) => {
      const layout = createLayout(read(lines));
      const found = Array.from({ length: layout.chunkCount }, (_, chunk) =>
        Array.from(layout.segmentsOf(chunk), (s) => [
          s.entryIndex,
          s.entryOffset,
          s.chunkOffset,
          s.lengthBytes,
        ]),
      );
      expect(found).toEqual(chunks);
    },
  );

  it.each(refused)('the vector of a manifest is refused with $code: $name', async ({ lines, code }) => {
    expect(await codeOf(() => read(lines))).toBe(code);
  });
});

describe('trees.json', () => {
  const { accepted, refused } = vectors('trees.json') as {
    accepted: { name: string; text: string; id: string; entries: number; notices: Notice[] }[];
    refused: { name: string; text: string; code: string }[];
  };

  async function* inBytes(text: string): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += 5) yield bytes.subarray(at, at + 5);
  }

  it.each(accepted)(
    'the vector of a tree "$name" is accepted, and written the same',
    async ({ text, id, entries, notices }) => {
      const read = await readTree(inBytes(text));
      expect([read.manifest.id, read.manifest.entries.length, read.notices]).toEqual([id, entries, notices]);
      expect([...encodeTree(read.manifest, read.notices)].join('')).toBe(text);
    },
  );

  it.each(refused)('the vector of a tree is refused with $code: $name', async ({ text, code }) => {
    expect(await codeOf(() => readTree(inBytes(text)))).toBe(code);
  });
});

describe('bodies.json', () => {
  const { content, accepted, refused } = vectors('bodies.json') as {
    content: Content & { xxh64: string };
    accepted: {
      name: string;
      encoding: ChunkEncoding;
      offset: number;
      decodedLength: number;
      bodyHex: string;
    }[];
    refused: { name: string; encoding: ChunkEncoding; bodyHex: string; code: string }[];
  };

  async function decode(bodyHex: string, encoding: ChunkEncoding): Promise<Buffer> {
    async function* inBytes(): AsyncGenerator<Uint8Array> {
      for (const byte of Buffer.from(bodyHex, 'hex')) yield Buffer.of(byte);
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of decodeBody(inBytes(), { encoding, chunk: 0 })) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  const isOurs = ({ encoding }: { encoding: ChunkEncoding }): boolean => ENCODINGS.includes(encoding);

  it.each(accepted.filter(isOurs))(
    'the vector of a body "$name" is decoded',
    async ({ encoding, offset, decodedLength, bodyHex }) => {
      const whole = Buffer.concat([bytesOf(content), Buffer.from(content.xxh64, 'hex')]);
      const decoded = await decode(bodyHex, encoding);
      expect([decoded.length, decoded.equals(whole.subarray(offset))]).toEqual([decodedLength, true]);
    },
  );

  it.each(refused.filter(isOurs))(
    'the vector of a body is refused with $code: $name',
    async ({ encoding, bodyHex, code }) => {
      expect(await codeOf(() => decode(bodyHex, encoding))).toBe(code);
    },
  );
});

describe('problems.json', () => {
  const { codes, documents, responses } = vectors('problems.json') as {
    codes: { code: ErrorCode; httpStatus: number; exitCode: number; retry: string }[];
    documents: (Problem & { details?: ErrorDetails })[];
    responses: { status: number; contentType: string; body: string; code: string }[];
  };

  it.each(codes)('the error code $code means what it always meant', ({ code, ...traits }) => {
    expect(ERROR_TABLE[code]).toEqual(traits);
  });

  it.each(documents)('the vector of a problem $code is written and read', (document) => {
    const { code, detail, status, details = {} } = document;
    expect(problemOf(new CairnError(code, detail, { details }))).toEqual(document);
    const error = errorOfResponse(status, PROBLEM_TYPE, JSON.stringify(document));
    expect([error.code, error.message, error.details]).toEqual([code, detail, details]);
  });

  it.each(responses)(
    'the vector of a response with status $status and $body is the error $code',
    ({ status, contentType, body, code }) => {
      expect(errorOfResponse(status, contentType, body).code).toBe(code);
    },
  );
});
