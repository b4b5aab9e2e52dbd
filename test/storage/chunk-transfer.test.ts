import fc from 'fast-check';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { ChunkDigests } from '../../src/checkpoint/chunk-digests.ts';
import { loadHasher } from '../../src/manifest/digest.ts';
import type { Segment } from '../../src/manifest/layout.ts';
import { receiveChunk, sendChunk } from '../../src/transfer/chunk-transfer.ts';
import type { ChunkStaging } from '../../src/storage/content-store.ts';
import type { ChunkWriter } from '../../src/transfer/chunk-store.ts';
import { codeOf, collect, inPieces, noise } from '../suites/staged-transfer.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
const createHasher = await loadHasher('xxh64');
const MEBIBYTE = 1024 * 1024;

function digestOf(bytes: Uint8Array): Buffer {
  const hasher = createHasher();
  hasher.update(bytes);
  return Buffer.from(hasher.digest());
}

const withDigest = (bytes: Buffer): Buffer => Buffer.concat([bytes, digestOf(bytes)]);

const expected = (lengthBytes: number, offset = 0) => ({
  chunk: 0,
  offset,
  lengthBytes,
  digestLengthBytes: 8,
  createHasher,
});

/** A staging of one chunk that notes what is done with it. */
class NotingStaging implements ChunkStaging {
  readonly digests = new ChunkDigests(8);
  readonly calls: string[] = [];
  bytes = Buffer.alloc(0);

  partialChunks(): ReadonlyMap<number, number> {
    return new Map(this.bytes.length > 0 ? [[0, this.bytes.length]] : []);
  }

  async write(_chunk: number, offset: number): Promise<ChunkWriter> {
    this.calls.push(`write at ${offset}`);
    this.bytes = this.bytes.subarray(0, offset);
    return {
      write: async (pieces) => {
        this.calls.push(`${pieces.reduce((sum, piece) => sum + piece.byteLength, 0)} bytes`);
        this.bytes = Buffer.concat([this.bytes, ...pieces]);
      },
      finish: async () => void this.calls.push('finish'),
      hold: async () => void this.calls.push('hold'),
      drop: async () => void this.calls.push('drop'),
    };
  }

  async *read(): AsyncGenerator<Uint8Array> {
    yield* inPieces(this.bytes, 1000);
  }

  async sync(): Promise<void> {}
  async forget(): Promise<void> {}
  async verify(): Promise<number[]> {
    return [];
  }
  async publish(): Promise<void> {}
  async close(): Promise<void> {}
}

describe('sending a chunk', () => {
  const segments: Segment[] = [3, 0, 50, 7].map((lengthBytes, entryIndex) => ({
    entryIndex,
    entryOffset: 0,
    chunkOffset: 0,
    lengthBytes,
  }));
  const contents = segments.map(({ lengthBytes }, index) => noise(lengthBytes, `segment ${index}`));
  const whole = Buffer.concat(contents);
  const send = (offset: number, onDigest: (digest: Uint8Array) => void = () => {}) =>
    sendChunk(segments, (segment) => inPieces(contents[segment.entryIndex]!, 4), {
      createHasher,
      offset,
      onDigest,
    });

  it('a sender gives the bytes of a chunk from any offset on, then the digest of the whole', async () => {
    for (let offset = 0; offset <= whole.length; offset++) {
      const sent = await collect(send(offset));
      expect(sent.toString('hex')).toBe(withDigest(whole).subarray(offset).toString('hex'));
    }
  });

  it('a sender gives the same bytes whether segments of a chunk are read at once or one by one', async () => {
    const many: Segment[] = Array.from({ length: 60 }, (_, entryIndex) => ({
      entryIndex,
      entryOffset: 0,
      chunkOffset: 0,
      lengthBytes: [70_000, 20_000, 5, 64 * 1024][entryIndex % 4]!,
    }));
    const bytesOf = many.map(({ lengthBytes }, index) => noise(lengthBytes, `one of many ${index}`));
    const all = withDigest(Buffer.concat(bytesOf));
    const asked: number[] = [];
    const readNow = ({ entryIndex, lengthBytes }: Segment, into: Uint8Array): boolean => {
      expect(into.byteLength).toBeGreaterThan(lengthBytes);
      into.set(bytesOf[entryIndex]!.subarray(0, 3)); // what was tried in vain must not stay
      if (entryIndex % 7 === 3) return false;
      into.set(bytesOf[entryIndex]!);
      return true;
    };
    for (const offset of [0, 1, 69_999, 70_001, 1_000_000, all.length - 8]) {
      asked.length = 0;
      const read = (segment: Segment): AsyncIterable<Uint8Array> => {
        asked.push(segment.entryIndex);
        return inPieces(bytesOf[segment.entryIndex]!, 50_000);
      };
      const pieces: Buffer[] = [];
      const sent = sendChunk(many, read, { createHasher, offset, readNow, onDigest: () => {} });
      for await (const piece of sent) pieces.push(Buffer.from(piece));
      expect(Buffer.concat(pieces).equals(all.subarray(offset))).toBe(true);
      expect(asked).toEqual(many.map((_, index) => index).filter((n) => n % 4 === 0 || n % 7 === 3));
    }
  });

  it('a sender of a chunk of a great many tiny files lets other work go on between their reads', async () => {
    const tiny: Segment[] = Array.from({ length: 100 }, (_, entryIndex) => ({
      entryIndex,
      entryOffset: 0,
      chunkOffset: 0,
      lengthBytes: 1,
    }));
    let nowMs = 0;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
    onTestFinished(() => clock.mockRestore());
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const readNow = (): boolean => {
      nowMs += 1; // as a slow disk takes
      return true;
    };
    const read = (): never => {
      throw new CairnError('internal', 'read alone');
    };
    const how = { createHasher, offset: 0, readNow, onDigest: () => {} };
    for await (const _ of sendChunk(tiny, read, how)) expect(turns).toBeGreaterThanOrEqual(9);
    isOver = true;
  });

  it('a sender joins small segments of a chunk into pieces of 256 KiB', async () => {
    const small: Segment[] = Array.from({ length: 200 }, (_, entryIndex) => ({
      entryIndex,
      entryOffset: 0,
      chunkOffset: 0,
      lengthBytes: 4096,
    }));
    const sizes: number[] = [];
    const readNow = ({ entryIndex }: Segment, into: Uint8Array): boolean => {
      into.fill(entryIndex, 0, 4096);
      return true;
    };
    const read = (): never => {
      throw new CairnError('internal', 'read alone');
    };
    for await (const piece of sendChunk(small, read, {
      createHasher,
      offset: 0,
      readNow,
      onDigest: () => {},
    }))
      sizes.push(piece.byteLength);
    expect(sizes).toEqual([64 * 4096, 64 * 4096, 64 * 4096, 8 * 4096, 8]);
  });

  it('a sender reports the digest of a chunk before it sends it', async () => {
    let told: Uint8Array | undefined;
    let pieces = 0;
    for await (const piece of send(0, (digest) => (told = digest))) {
      pieces += 1;
      expect(told !== undefined).toBe(piece === told);
    }
    expect(pieces).toBeGreaterThan(10);
    expect(Buffer.from(told!)).toEqual(digestOf(whole));
  });

  it('a sender passes on the error of what it reads', async () => {
    const read = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc');
      throw new CairnError('source-changed', 'changed');
    };
    const sent = sendChunk(segments, read, { createHasher, offset: 0, onDigest: () => {} });
    expect(await codeOf(() => collect(sent))).toBe('source-changed');
  });
});

describe('receiving a chunk', () => {
  it('a receiver takes a chunk however it is sliced, and from any offset', async () => {
    const bytes = noise(300, 'received');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 320 }),
        fc.integer({ min: 0, max: 300 }),
        async (slice, offset) => {
          const staging = new NotingStaging();
          staging.bytes = Buffer.from(bytes.subarray(0, offset));
          const source = inPieces(withDigest(bytes).subarray(offset), slice);
          const digest = await receiveChunk(source, staging, expected(300, offset));
          expect(Buffer.from(digest)).toEqual(digestOf(bytes));
          expect(staging.bytes.equals(bytes)).toBe(true);
          expect(staging.calls.at(-1)).toBe('finish');
        },
      ),
    );
  });

  it('a receiver writes large pieces as they come, and small ones in batches of a quarter mebibyte', async () => {
    const bytes = noise(MEBIBYTE, 'batches');
    const callsOf = async (slice: number): Promise<string[]> => {
      const staging = new NotingStaging();
      await receiveChunk(inPieces(withDigest(bytes), slice), staging, expected(bytes.length));
      return staging.calls;
    };
    const quarters = Array.from({ length: 4 }, () => `${MEBIBYTE / 4} bytes`);
    expect(await callsOf(16 * 1024)).toEqual(['write at 0', ...quarters, 'finish']);
    expect(await callsOf(MEBIBYTE / 2)).toEqual([
      'write at 0',
      ...quarters.slice(2).map(() => `${MEBIBYTE / 2} bytes`),
      'finish',
    ]);
  });

  it('a receiver keeps no piece, so that its source may use the memory again', async () => {
    const bytes = noise(300_000, 'one buffer');
    async function* oneBuffer(): AsyncGenerator<Uint8Array> {
      const buffer = Buffer.alloc(100_000);
      for await (const piece of inPieces(withDigest(bytes), 7777)) {
        piece.forEach((value, index) => (buffer[index] = value));
        yield buffer.subarray(0, piece.byteLength);
        buffer.fill(0);
      }
    }
    const staging = new NotingStaging();
    await receiveChunk(oneBuffer(), staging, expected(bytes.length));
    expect(staging.bytes.equals(bytes)).toBe(true);
  });

  it('a receiver does not wait for a full batch while nothing comes, and reports what it wrote', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const staging = new NotingStaging();
    const bytes = noise(1000, 'slowly');
    const written: number[] = [];
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 300);
      await sleep(40);
      yield bytes.subarray(300, 400);
      await sleep(60_000);
      yield withDigest(bytes).subarray(400);
    }
    const onWritten = (count: number): void => void written.push(count);
    const receiving = receiveChunk(slow(), staging, expected(1000), { onWritten });
    await vi.advanceTimersByTimeAsync(100);
    expect(written).toEqual([400]);
    expect(vi.getTimerCount()).toBe(1); // the sender's own
    await vi.advanceTimersByTimeAsync(60_000);
    await receiving;
    expect(written).toEqual([400, 600]);
    expect(staging.bytes.equals(bytes)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('a receiver passes on the error of a write that failed between two pieces', async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const staging = new NotingStaging();
    const failing: ChunkStaging = Object.assign(Object.create(staging) as ChunkStaging, {
      write: async () => ({
        ...(await staging.write(0, 0)),
        write: () => Promise.reject(new CairnError('storage-full', 'the disk is full')),
      }),
    });
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield noise(10, 'slow');
      await sleep(1000);
      yield noise(10, 'slow');
    }
    const receiving = codeOf(() => receiveChunk(slow(), failing, expected(100)));
    await vi.advanceTimersByTimeAsync(2000);
    expect(await receiving).toBe('storage-full');
  });

  it('a receiver reports how many payload bytes came, without the digest', async () => {
    const bytes = noise(1000, 'counted');
    let counted = 0;
    const onBytes = (count: number): void => void (counted += count);
    await receiveChunk(inPieces(withDigest(bytes), 7), new NotingStaging(), expected(1000), { onBytes });
    expect(counted).toBe(1000);
  });

  it('a receiver gives all bytes that came to the store when a chunk is cut', async () => {
    const staging = new NotingStaging();
    async function* cut(): AsyncGenerator<Uint8Array> {
      yield noise(70, 'cut');
      throw new Error('reset by peer');
    }
    await expect(receiveChunk(cut(), staging, expected(100))).rejects.toThrow('reset by peer');
    expect(staging.calls).toEqual(['write at 0', '70 bytes', 'hold']);
  });

  it.each([
    ['too few bytes', 60, 'chunk-incomplete'],
    ['no digest', 100, 'chunk-incomplete'],
    ['a part of the digest', 107, 'chunk-incomplete'],
    ['a byte too many', 109, 'chunk-incomplete'],
    ['many bytes too many', 5000, 'chunk-incomplete'],
  ])('a receiver does not finish a chunk with %s', async (_what, length, code) => {
    const staging = new NotingStaging();
    const bytes = Buffer.concat([withDigest(noise(100, 'lie')), noise(5000, 'more')]).subarray(0, length);
    expect(await codeOf(() => receiveChunk(inPieces(bytes, 33), staging, expected(100)))).toBe(code);
    expect(staging.calls).toContain('hold');
    expect(staging.calls).not.toContain('finish');
    expect(staging.bytes.length).toBe(Math.min(length, 100));
  });

  it('a receiver does not finish a chunk when more bytes come after its digest', async () => {
    const staging = new NotingStaging();
    const bytes = Buffer.concat([withDigest(noise(100, 'long')), Buffer.from([0])]);
    const source = inPieces(bytes, bytes.length - 1);
    expect(await codeOf(() => receiveChunk(source, staging, expected(100)))).toBe('chunk-incomplete');
    expect(staging.calls).not.toContain('finish');
  });

  it('a receiver drops a chunk that has the wrong digest', async () => {
    const staging = new NotingStaging();
    const bytes = withDigest(noise(100, 'wrong'));
    bytes[50]! ^= 4;
    expect(await codeOf(() => receiveChunk(inPieces(bytes), staging, expected(100)))).toBe(
      'chunk-digest-mismatch',
    );
    expect(staging.calls.at(-1)).toBe('drop');
  });

  it('a receiver drops a chunk whose first bytes are not those of the sender', async () => {
    const staging = new NotingStaging();
    staging.bytes = Buffer.alloc(40, 1);
    const source = inPieces(withDigest(noise(100, 'right')).subarray(40));
    expect(await codeOf(() => receiveChunk(source, staging, expected(100, 40)))).toBe(
      'chunk-digest-mismatch',
    );
    expect(staging.calls.at(-1)).toBe('drop');
  });

  it('a receiver drops first bytes that are no longer there, so that the chunk can start over', async () => {
    const staging = new NotingStaging();
    staging.bytes = Buffer.alloc(40, 1);
    staging.read = async function* () {
      yield Buffer.alloc(30, 1);
    };
    const source = inPieces(withDigest(noise(100, 'shrunk')).subarray(40));
    const lost = await receiveChunk(source, staging, expected(100, 40)).catch((error: CairnError) => error);
    expect(lost).toMatchObject({ code: 'chunk-offset-mismatch', details: { chunk: 0, heldBytes: 0 } });
    expect(staging.calls).toEqual(['write at 0', 'drop']);
  });

  it.each([39, 41, 100])(
    'a receiver refuses to go on at byte %i of a chunk of which it has 40',
    async (offset) => {
      const staging = new NotingStaging();
      staging.bytes = Buffer.alloc(40);
      const source = inPieces(withDigest(noise(100, 'x')).subarray(offset));
      expect(await codeOf(() => receiveChunk(source, staging, expected(100, offset)))).toBe(
        'chunk-offset-mismatch',
      );
      expect(staging.calls).toEqual([]);
    },
  );

  it('a receiver does not finish a chunk for a writer that lost the session meanwhile', async () => {
    const staging = new NotingStaging();
    const fence = (): void => {
      throw new CairnError('session-fenced', 'taken over');
    };
    const source = inPieces(withDigest(noise(100, 'late')));
    expect(await codeOf(() => receiveChunk(source, staging, expected(100), { fence }))).toBe(
      'session-fenced',
    );
    expect(staging.calls).not.toContain('finish');
  });

  it('a receiver passes on the error of a store that cannot write', async () => {
    const staging = new NotingStaging();
    const failing: ChunkStaging = Object.assign(Object.create(staging) as ChunkStaging, {
      write: async () => ({
        ...(await staging.write(0, 0)),
        write: () => Promise.reject(new CairnError('storage-full', 'the disk is full')),
      }),
    });
    const source = inPieces(withDigest(noise(100, 'full')));
    expect(await codeOf(() => receiveChunk(source, failing, expected(100)))).toBe('storage-full');
    expect(staging.calls).not.toContain('finish');
  });
});
