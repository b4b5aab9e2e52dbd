import { expect, it } from 'vitest';
import { receiveChunk } from '../../src/transfer/chunk-transfer.ts';
import type { ChunkStaging } from '../../src/storage/content-store.ts';
import {
  begin,
  chunkBytes,
  chunkSizeOf,
  codeOf,
  collect,
  digestOf,
  expectedChunk,
  file,
  inPieces,
  openPlace,
  stageAll,
  stageChunk,
  transferOf,
  type MakeStore,
  type SampleTransfer,
  type StorePlace,
} from './staged-transfer.ts';

const ID = 'staging-of-these-tests';

async function beginBig(
  makeStore: MakeStore,
  digest: 'xxh64' | 'sha256' = 'xxh64',
): Promise<{ place: StorePlace; transfer: SampleTransfer; staging: ChunkStaging }> {
  const place = await openPlace(makeStore);
  const size = chunkSizeOf(place.store);
  const transfer = transferOf(place.store, 'in', [file('big', 3 * size + 5), file('small', 7)], { digest });
  const { staging } = await begin(place.store, ID, transfer);
  return { place, transfer, staging };
}

function durable(staging: ChunkStaging): number[] {
  return [...staging.digests.chunks.values()];
}

/** Registers the tests of staging. */
export function stagingTests(makeStore: MakeStore): void {
  it.each(['xxh64', 'sha256'] as const)(
    'a content store shows chunks and their %s digests after a sync to whoever opens it again',
    async (digest) => {
      const { place, transfer, staging } = await beginBig(makeStore, digest);
      await stageAll(staging, transfer);
      await staging.close();
      const again = await begin(await place.reopen(), ID, transfer);
      expect(durable(again.staging)).toEqual([0, 1, 2, 3, 4]);
      for (const chunk of [0, 1, 2, 3, 4]) {
        const bytes = chunkBytes(transfer, chunk);
        expect(Buffer.from(again.staging.digests.get(chunk)!)).toEqual(
          Buffer.from(digestOf(transfer, bytes)),
        );
        expect((await collect(again.staging.read(chunk))).equals(bytes)).toBe(true);
      }
      await again.staging.close();
    },
  );

  it('a content store takes chunks in any order and several at a time', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    await Promise.all([4, 1, 3, 0, 2].map((chunk) => stageChunk(staging, transfer, chunk)));
    await staging.sync();
    expect(durable(staging)).toEqual([0, 1, 2, 3, 4]);
    await staging.close();
  });

  it('a content store shows a chunk only once it is finished', async () => {
    const { place, transfer, staging } = await beginBig(makeStore);
    await stageChunk(staging, transfer, 1);
    const writer = await staging.write(0, 0);
    await writer.write([chunkBytes(transfer, 0)]);
    await staging.sync();
    expect(durable(staging)).toEqual([1]);
    await writer.finish(digestOf(transfer, chunkBytes(transfer, 0)));
    await staging.sync();
    expect(durable(staging)).toEqual([0, 1]);
    await staging.close();
    const again = await begin(await place.reopen(), ID, transfer);
    expect(durable(again.staging)).toEqual([0, 1]);
    await again.staging.close();
  });

  it('a content store goes on inside a chunk that was cut, where it holds partial chunks', async () => {
    const { place, transfer, staging } = await beginBig(makeStore);
    const half = chunkBytes(transfer, 1).subarray(0, 30_000);
    const writer = await staging.write(1, 0);
    await writer.write([half]);
    await writer.hold();
    await staging.sync();
    expect(durable(staging)).toEqual([]);
    const holds = place.store.properties.holdsPartialChunks;
    expect([...staging.partialChunks()]).toEqual(holds ? [[1, half.length]] : []);
    if (holds) expect((await collect(staging.read(1))).subarray(0, half.length).equals(half)).toBe(true);
    await staging.close();
    const again = await begin(await place.reopen(), ID, transfer);
    expect([...again.staging.partialChunks()]).toEqual(holds ? [[1, half.length]] : []);
    await stageChunk(again.staging, transfer, 1);
    await again.staging.sync();
    expect((await collect(again.staging.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
    expect([...again.staging.partialChunks()]).toEqual([]);
    await again.staging.close();
  });

  it('a content store that holds partial chunks keeps them through a crash as they were at a sync', async () => {
    const { place, transfer, staging } = await beginBig(makeStore);
    const holds = place.store.properties.holdsPartialChunks;
    const open = await staging.write(0, 0);
    await open.write([chunkBytes(transfer, 0).subarray(0, 9000)]);
    const wrong = await staging.write(2, 0);
    await wrong.write([Buffer.alloc(5000, 1)]);
    await staging.sync();
    await wrong.drop();
    await open.write([chunkBytes(transfer, 0).subarray(9000, 10_000)]);
    const crashed = await begin(await place.reopen(), ID, transfer);
    expect([...crashed.staging.partialChunks()]).toEqual(holds ? [[0, 9000]] : []);
    await stageAll(crashed.staging, transfer);
    for (const chunk of [0, 1, 2, 3, 4]) {
      expect((await collect(crashed.staging.read(chunk))).equals(chunkBytes(transfer, chunk))).toBe(true);
    }
    expect([...crashed.staging.partialChunks()]).toEqual([]);
    await crashed.staging.close();
    await staging.close();
  });

  it('a content store withdraws for good the chunks that it is told to forget, and takes them again', async () => {
    const { place, transfer, staging } = await beginBig(makeStore);
    await stageAll(staging, transfer);
    await staging.forget([1, 3]);
    await staging.forget([]);
    expect(durable(staging)).toEqual([0, 2, 4]);
    expect(await codeOf(() => collect(staging.read(1)))).toBe('chunks-missing');
    await staging.close();
    const again = await begin(await place.reopen(), ID, transfer);
    expect(durable(again.staging)).toEqual([0, 2, 4]);
    await stageAll(again.staging, transfer);
    expect(durable(again.staging)).toEqual([0, 1, 2, 3, 4]);
    expect((await collect(again.staging.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
    await again.staging.close();
  });

  it('a content store refuses to go on where a chunk does not end', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    expect(await codeOf(() => staging.write(0, 10))).toBe('chunk-offset-mismatch');
    await stageChunk(staging, transfer, 0);
    await staging.close();
  });

  it('a content store refuses a chunk that the layout does not have', async () => {
    const { staging } = await beginBig(makeStore);
    expect(await codeOf(() => staging.write(5, 0))).toBe('chunk-out-of-range');
    expect(await codeOf(() => staging.write(-1, 0))).toBe('chunk-out-of-range');
    await staging.close();
  });

  it('a content store starts a partial or finished chunk over when it is written from 0', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    const partial = await staging.write(1, 0);
    await partial.write([Buffer.alloc(1000)]);
    await partial.hold();
    for (const chunk of [1, 1]) {
      await receiveChunk(
        inPieces(
          Buffer.concat([chunkBytes(transfer, chunk), digestOf(transfer, chunkBytes(transfer, chunk))]),
        ),
        staging,
        expectedChunk(transfer, chunk),
      );
      await staging.sync();
      expect((await collect(staging.read(chunk))).equals(chunkBytes(transfer, chunk))).toBe(true);
    }
    expect(durable(staging)).toEqual([1]);
    await staging.close();
  });

  it('a content store cuts off the older of two writers of one chunk', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    const bytes = chunkBytes(transfer, 2);
    const older = await staging.write(2, 0);
    await older.write([Buffer.alloc(500, 1)]);
    const newer = await staging.write(2, 0);
    expect(await codeOf(() => older.write([Buffer.alloc(500, 1)]))).toBe('chunk-conflict');
    await newer.write([bytes.subarray(0, 1000)]);
    expect(await codeOf(() => older.finish(digestOf(transfer, bytes)))).toBe('chunk-conflict');
    for (const end of [older.hold, older.drop]) {
      expect(['done', 'chunk-conflict']).toContain(await codeOf(() => end.call(older)));
    }
    await newer.write([bytes.subarray(1000)]);
    await newer.finish(digestOf(transfer, bytes));
    await staging.sync();
    expect(durable(staging)).toEqual([2]);
    expect((await collect(staging.read(2))).equals(bytes)).toBe(true);
    await staging.close();
  });

  it('a content store keeps nothing of a chunk whose digest is wrong', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    const bytes = Buffer.from(chunkBytes(transfer, 0));
    const footer = digestOf(transfer, bytes);
    bytes[12_345]! ^= 1;
    const receive = receiveChunk(
      inPieces(Buffer.concat([bytes, footer])),
      staging,
      expectedChunk(transfer, 0),
    );
    expect(await codeOf(() => receive)).toBe('chunk-digest-mismatch');
    await staging.sync();
    expect(durable(staging)).toEqual([]);
    expect([...staging.partialChunks()]).toEqual([]);
    await staging.close();
  });

  it.each([
    ['ends early', 20_000],
    ['ends before the digest', undefined],
  ])(
    'a content store does not finish a chunk whose source %s, and takes it afterwards',
    async (_what, end) => {
      const { place, transfer, staging } = await beginBig(makeStore);
      const bytes = chunkBytes(transfer, 0).subarray(0, end);
      const receive = receiveChunk(inPieces(bytes), staging, expectedChunk(transfer, 0));
      expect(await codeOf(() => receive)).toBe('chunk-incomplete');
      await staging.sync();
      expect(durable(staging)).toEqual([]);
      expect(staging.partialChunks().get(0) ?? 0).toBe(
        place.store.properties.holdsPartialChunks ? bytes.length : 0,
      );
      await stageChunk(staging, transfer, 0);
      await staging.sync();
      expect((await collect(staging.read(0))).equals(chunkBytes(transfer, 0))).toBe(true);
      await staging.close();
    },
  );

  it('a content store does not finish a chunk whose source has more bytes than it said', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    const bytes = chunkBytes(transfer, 0);
    const long = Buffer.concat([bytes, digestOf(transfer, bytes), Buffer.from([0])]);
    const receive = receiveChunk(inPieces(long), staging, expectedChunk(transfer, 0));
    expect(await codeOf(() => receive)).toBe('chunk-incomplete');
    await staging.sync();
    expect(durable(staging)).toEqual([]);
    await staging.close();
  });

  it('a content store passes on the error of a source that fails', async () => {
    const { transfer, staging } = await beginBig(makeStore);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield chunkBytes(transfer, 0).subarray(0, 5000);
      throw new Error('the line is dead');
    }
    const receive = receiveChunk(failing(), staging, expectedChunk(transfer, 0));
    await expect(receive).rejects.toThrow('the line is dead');
    await stageChunk(staging, transfer, 0);
    await staging.sync();
    expect((await collect(staging.read(0))).equals(chunkBytes(transfer, 0))).toBe(true);
    await staging.close();
  });
}
