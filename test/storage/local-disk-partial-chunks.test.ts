import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { syncHandle } from '../../src/base/durable-files.ts';
import { CairnError } from '../../src/base/errors.ts';
import { receiveChunk } from '../../src/transfer/chunk-transfer.ts';
import type { ChunkStaging, ContentStore } from '../../src/storage/content-store.ts';
import {
  begin,
  chunkBytes,
  codeOf,
  collect,
  digestOf,
  expectedChunk,
  file,
  inPieces,
  stageAll,
  stageChunk,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, type DiskPlace } from './local-disk-fixtures.ts';

const ID = 'partial';
const SIZE = 64 * 1024;

const partialOf = (staging: ChunkStaging): [number, number][] =>
  [...staging.partialChunks()].toSorted(([a], [b]) => a - b);

const staged = (place: DiskPlace, name: string): string => join(place.root, '.cairn/staging', ID, name);

/** Writes the first bytes of a chunk and leaves it. */
async function hold(
  staging: ChunkStaging,
  transfer: SampleTransfer,
  chunk: number,
  bytes: number,
): Promise<void> {
  const writer = await staging.write(chunk, 0);
  await writer.write([chunkBytes(transfer, chunk).subarray(0, bytes)]);
  await writer.hold();
}

/** What a process would find that started after a crash at this moment. */
async function afterCrash(place: DiskPlace, transfer: SampleTransfer): Promise<ChunkStaging> {
  return (await begin(await place.open(), ID, transfer)).staging;
}

/** A store whose syncs wait: `syncing` resolves when the first has begun, `release` lets them go on. */
async function openPausing(
  place: DiskPlace,
): Promise<{ store: ContentStore; syncing: Promise<void>; release: () => void }> {
  let begun = (): void => {};
  let release = (): void => {};
  const syncing = new Promise<void>((resolve) => (begun = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const store = await place.open({
    useNative: false,
    syncFile: async (handle, name) => {
      begun();
      await released;
      await syncHandle(handle, name);
    },
  });
  return { store, syncing, release };
}

describe('partial chunks on a local disk', () => {
  it('partial chunks outlive a crash as far as a sync covered them', async () => {
    const place = diskPlace();
    const store = await place.open();
    const items = [file('big', 4 * SIZE), file('small', 500), file('smaller', 300)];
    const transfer = transferOf(store, 't', items);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 1, 1000);
    await hold(staging, transfer, 4, 600);
    await stageChunk(staging, transfer, 0);
    await staging.sync();
    await hold(staging, transfer, 2, 2000);
    const writer = await staging.write(1, 1000);
    await writer.write([chunkBytes(transfer, 1).subarray(1000, 1500)]);
    const again = await afterCrash(place, transfer);
    expect(partialOf(again)).toEqual([
      [1, 1000],
      [4, 600],
    ]);
    await stageAll(again, transfer);
    for (const chunk of [0, 1, 2, 3, 4])
      expect((await collect(again.read(chunk))).equals(chunkBytes(transfer, chunk))).toBe(true);
    expect(partialOf(await afterCrash(place, transfer))).toEqual([]);
  });

  it('partial chunks are written to the journal only when they have changed', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 1, 1000);
    await staging.sync();
    const { size } = statSync(staged(place, 'journal'));
    await staging.sync();
    expect(statSync(staged(place, 'journal')).size).toBe(size);
    await hold(staging, transfer, 1, 1001);
    await staging.sync();
    expect(statSync(staged(place, 'journal')).size).toBeGreaterThan(size);
    await stageChunk(staging, transfer, 1);
    await staging.sync();
    const whole = statSync(staged(place, 'journal')).size;
    await staging.sync();
    expect(statSync(staged(place, 'journal')).size).toBe(whole);
  });

  it('partial chunks are claimed as they were when the sync began, not as they are when it ends', async () => {
    const place = diskPlace();
    const { store, syncing, release } = await openPausing(place);
    const transfer = transferOf(store, 't', [file('big', 3 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    const writer = await staging.write(0, 0);
    await writer.write([chunkBytes(transfer, 0).subarray(0, 1000)]);
    const synced = staging.sync();
    await syncing;
    await writer.write([chunkBytes(transfer, 0).subarray(1000, 2000)]);
    await hold(staging, transfer, 1, 500);
    release();
    await synced;
    expect(partialOf(staging)).toEqual([
      [0, 2000],
      [1, 500],
    ]);
    expect(partialOf(await afterCrash(place, transfer))).toEqual([[0, 1000]]);
  });

  it('partial chunks in a file whose sync failed are not claimed, and those of other files are', async () => {
    const place = diskPlace();
    let failing = false;
    const store = await place.open({
      syncFile: async (handle, name) => {
        if (failing && name === 'e0') throw new CairnError('storage-io', 'the disk is dying');
        await syncHandle(handle, name);
      },
    });
    const transfer = transferOf(store, 't', [file('a', 2 * SIZE), file('b', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 0, 1000);
    await staging.sync();
    await hold(staging, transfer, 1, 1000);
    await hold(staging, transfer, 2, 1000);
    failing = true;
    expect(await codeOf(() => staging.sync())).toBe('storage-io');
    expect(partialOf(staging)).toEqual([[2, 1000]]);
    expect(partialOf(await afterCrash(place, transfer))).toEqual([[2, 1000]]);
  });

  it('a partial chunk that was dropped is no longer claimed', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 0, 1000);
    await hold(staging, transfer, 1, 1000);
    await staging.sync();
    await (await staging.write(0, 1000)).drop();
    expect(partialOf(await afterCrash(place, transfer))).toEqual([[1, 1000]]);
  });

  it('the claim of a partial chunk is withdrawn before other bytes take its place', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 3 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    for (const chunk of [0, 1, 2]) await hold(staging, transfer, chunk, 1000);
    await staging.sync();
    await staging.write(0, 0);
    const older = await staging.write(1, 1000);
    await older.write([Buffer.alloc(10)]);
    await staging.sync();
    await staging.write(1, 1000); // less than is claimed by now
    await staging.write(2, 1000); // all of it stays
    expect(partialOf(await afterCrash(place, transfer))).toEqual([[2, 1000]]);
  });

  it('partial chunks that are dropped in the middle of a sync are not claimed', async () => {
    const place = diskPlace();
    const { store, syncing, release } = await openPausing(place);
    const transfer = transferOf(store, 't', [file('big', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    const wrong = await staging.write(0, 0);
    await wrong.write([Buffer.alloc(1000)]);
    const replaced = await staging.write(1, 0);
    await replaced.write([Buffer.alloc(1000)]);
    await replaced.hold();
    const synced = staging.sync();
    await syncing;
    const dropped = wrong.drop();
    const begunAnew = staging.write(1, 0);
    release();
    await Promise.all([synced, dropped, begunAnew]);
    expect(partialOf(await afterCrash(place, transfer))).toEqual([]);
  });

  it.each([
    ['shorter', (path: string): void => truncateSync(path, SIZE + 400), [[1, 400]]],
    ['too short', (path: string): void => truncateSync(path, SIZE), []],
    ['gone', (path: string): void => rmSync(path), []],
  ])('a partial chunk counts only as far as its file goes: it is %s', async (_what, harm, expected) => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 3 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 1, 1000);
    await staging.sync();
    await store.close();
    harm(staged(place, 'e0'));
    const again = await afterCrash(place, transfer);
    expect(partialOf(again)).toEqual(expected);
    await stageAll(again, transfer);
    expect((await collect(again.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
  });

  it('a partial chunk with wrong bytes is found by its digest, forgotten durably, and taken again', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await hold(staging, transfer, 0, 1000);
    await staging.sync();
    await store.close();
    const mixed = readFileSync(staged(place, 'e0'));
    mixed[10]! ^= 1;
    writeFileSync(staged(place, 'e0'), mixed);
    const again = await afterCrash(place, transfer);
    const bytes = chunkBytes(transfer, 0);
    const rest = inPieces(Buffer.concat([bytes.subarray(1000), digestOf(transfer, bytes)]));
    const received = receiveChunk(rest, again, expectedChunk(transfer, 0, 1000));
    expect(await codeOf(() => received)).toBe('chunk-digest-mismatch');
    const last = await afterCrash(place, transfer);
    expect(partialOf(last)).toEqual([]);
    await stageAll(last, transfer);
    expect((await collect(last.read(0))).equals(bytes)).toBe(true);
  });

  it('partial chunks are claimed up to 1,024, and more do no harm', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 1030 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    for (let chunk = 0; chunk < 1030; chunk += 1) await hold(staging, transfer, chunk, 1);
    await staging.sync();
    expect(staging.partialChunks().size).toBe(1030);
    expect((await afterCrash(place, transfer)).partialChunks().size).toBe(1024);
  });
});
