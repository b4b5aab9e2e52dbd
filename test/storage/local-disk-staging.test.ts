import { readdirSync, readFileSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { syncHandle } from '../../src/base/durable-files.ts';
import { CairnError } from '../../src/base/errors.ts';
import type { ChunkStaging } from '../../src/storage/content-store.ts';
import type { StoreIncident } from '../../src/storage/incident.ts';
import {
  begin,
  chunkBytes,
  codeOf,
  collect,
  digestOf,
  directory,
  file,
  orderOf,
  stageAll,
  stageChunk,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import { diskPlace, openDescriptors } from './local-disk-fixtures.ts';

const ID = 'disk-staging';
const SIZE = 64 * 1024;

const durable = (staging: ChunkStaging): number[] => [...staging.digests.chunks.values()];

async function sendAgain(staging: ChunkStaging, transfer: SampleTransfer, bytes: Buffer): Promise<void> {
  const writer = await staging.write(0, 0);
  await writer.write([bytes]);
  await writer.finish(digestOf(transfer, bytes));
}

describe('staging on a local disk', () => {
  it('staging keeps durable chunks through a crash, and no chunk that was not synced', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 3 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageChunk(staging, transfer, 0);
    await stageChunk(staging, transfer, 2);
    await staging.sync();
    await stageChunk(staging, transfer, 1);
    const again = await begin(await place.open(), ID, transfer);
    expect(durable(again.staging)).toEqual([0, 2]);
  });

  it('staging keeps a file open that is still to be synced when its writer leaves it meanwhile', async () => {
    const FILES = 12;
    const leaving: (() => Promise<void>)[] = [];
    const store = await diskPlace().open({
      syncFile: async (handle, name) => {
        // Some are synced at a time; the writers of the others leave before it is their turn.
        for (const leave of leaving.splice(0)) await leave();
        await syncHandle(handle, name);
      },
    });
    const items = Array.from({ length: FILES }, (_, index) => file(`f-${index}`, 2 * SIZE));
    const transfer = transferOf(store, 't', items);
    const { staging } = await begin(store, ID, transfer);
    for (let index = 0; index < FILES; index += 1) {
      const writer = await staging.write(2 * index, 0);
      await writer.write([chunkBytes(transfer, 2 * index).subarray(0, 1000)]);
      leaving.push(() => writer.hold());
    }
    await staging.sync();
    expect([...staging.partialChunks().values()]).toEqual(Array.from({ length: FILES }, () => 1000));
    const before = openDescriptors();
    await staging.sync();
    expect(openDescriptors()).toBe(before);
  });

  it('staging loses only the chunks of a file whose sync failed, and takes them again', async () => {
    const place = diskPlace();
    let failing = false;
    const store = await place.open({
      syncFile: async (handle, name) => {
        if (failing && name === 'e0') throw new CairnError('storage-io', 'the disk is dying');
        await syncHandle(handle, name);
      },
    });
    const transfer = transferOf(store, 't', [file('a', 4 * SIZE), file('b', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageChunk(staging, transfer, 0);
    await staging.sync();
    const half = await staging.write(3, 0);
    await half.write([chunkBytes(transfer, 3).subarray(0, 1000)]);
    const open = await staging.write(2, 0);
    await open.write([chunkBytes(transfer, 2).subarray(0, 1000)]);
    await half.hold();
    await stageChunk(staging, transfer, 1);
    await stageChunk(staging, transfer, 4);
    failing = true;
    expect(await codeOf(() => staging.sync())).toBe('storage-io');
    failing = false;
    expect(durable(staging)).toEqual([0, 4]);
    expect([...staging.partialChunks()]).toEqual([]);
    expect(await codeOf(() => open.write([Buffer.alloc(5)]))).toBe('storage-io');
    await open.hold();
    await stageAll(staging, transfer);
    expect(durable(staging)).toEqual([0, 1, 2, 3, 4, 5]);
    expect((await collect(staging.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
  });

  it('a durable chunk is not harmed when it is sent again and cut, or comes broken', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    for (const end of ['hold', 'drop'] as const) {
      const writer = await staging.write(0, 0);
      await writer.write([Buffer.alloc(1000, 1)]);
      await writer[end]();
      expect(durable(staging)).toEqual([0]);
      expect((await collect(staging.read(0))).equals(chunkBytes(transfer, 0))).toBe(true);
    }
    await sendAgain(staging, transfer, chunkBytes(transfer, 0));
    expect(durable(staging)).toEqual([0]);
    expect(readdirSync(join(place.root, '.cairn/staging', ID)).toSorted()).toEqual(['e0', 'journal']);
  });

  it('a durable chunk is replaced by one with another digest after it was forgotten durably', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    const other = Buffer.alloc(SIZE, 9);
    await sendAgain(staging, transfer, other);
    const crashed = await begin(await place.open(), ID, transfer);
    expect(durable(crashed.staging)).toEqual([]);
    await crashed.staging.close();
    await staging.sync();
    expect(durable(staging)).toEqual([0]);
    expect(Buffer.from(staging.digests.get(0)!)).toEqual(Buffer.from(digestOf(transfer, other)));
    expect((await collect(staging.read(0))).equals(other)).toBe(true);
  });

  it('only the newest of many writers of one chunk that come at once goes on', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    const first = await staging.write(0, 0);
    const writing = first.write([Buffer.alloc(SIZE, 1)]);
    const rivals = await Promise.all(
      [1, 2, 3].map(async () => {
        try {
          return await staging.write(0, 0);
        } catch (error) {
          return (error as CairnError).code;
        }
      }),
    );
    await writing.catch((error: CairnError) => expect(error.code).toBe('chunk-conflict'));
    expect(rivals.slice(0, 2)).toEqual(['chunk-conflict', 'chunk-conflict']);
    const newest = rivals[2] as Awaited<ReturnType<ChunkStaging['write']>>;
    await newest.write([chunkBytes(transfer, 0)]);
    await newest.finish(digestOf(transfer, chunkBytes(transfer, 0)));
    await staging.sync();
    expect((await collect(staging.read(0))).equals(chunkBytes(transfer, 0))).toBe(true);
  });

  it('a writer goes on where another one was just cut off', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    const older = await staging.write(0, 0);
    await older.write([chunkBytes(transfer, 0).subarray(0, 500)]);
    const told = staging.partialChunks().get(0) ?? 0;
    await older.write([chunkBytes(transfer, 0).subarray(500, 900)]);
    const newer = await staging.write(0, told);
    await newer.write([chunkBytes(transfer, 0).subarray(told)]);
    await newer.finish(digestOf(transfer, chunkBytes(transfer, 0)));
    expect((await collect(staging.read(0))).equals(chunkBytes(transfer, 0))).toBe(true);
  });

  it('a writer never writes past the end of a chunk, into the next one', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 2 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    await stageChunk(staging, transfer, 1);
    const writer = await staging.write(0, 0);
    expect(await codeOf(() => writer.write([Buffer.alloc(SIZE + 1)]))).toBe('internal');
    await writer.drop();
    expect((await collect(staging.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
  });

  it.each([true, false])('staging 300 large files takes few descriptors (native: %s)', async (useNative) => {
    const place = diskPlace();
    const store = await place.open({ useNative });
    const items = [directory(''), ...Array.from({ length: 300 }, (_, n) => file(`f${n}`, SIZE))];
    const transfer = transferOf(store, 't', items);
    const { staging } = await begin(store, ID, transfer);
    const before = openDescriptors();
    let most = 0;
    for (let chunk = 0; chunk < 300; chunk += 1) {
      await stageChunk(staging, transfer, chunk);
      most = Math.max(most, openDescriptors());
    }
    expect(most - before).toBeLessThan(80);
    await staging.sync();
    expect(staging.digests.chunks.size).toBe(300);
    expect(openDescriptors()).toBe(before);
    await staging.publish(orderOf(transfer));
    expect(readdirSync(join(place.root, 't'))).toHaveLength(300);
  });

  it('staging hashes again what it has when the journal is damaged, and says so', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', 4 * SIZE)]);
    const { staging } = await begin(store, ID, transfer);
    for (const chunk of [0, 1, 2, 3]) {
      await stageChunk(staging, transfer, chunk);
      await staging.sync();
    }
    await store.close();
    const folder = join(place.root, '.cairn/staging', ID);
    const data = readFileSync(join(folder, 'e0'));
    data[10]! ^= 1;
    writeFileSync(join(folder, 'e0'), data);
    const journal = readFileSync(join(folder, 'journal'));
    journal[journal.length - 45]! ^= 1;
    writeFileSync(join(folder, 'journal'), journal);
    const incidents: StoreIncident[] = [];
    const again = await begin(
      await place.open({ onIncident: (incident) => incidents.push(incident) }),
      ID,
      transfer,
    );
    expect(incidents.map(({ kind }) => kind)).toEqual(['journal-damaged']);
    const left = durable(again.staging);
    expect(left).not.toContain(0);
    expect(left).toContain(1);
    await stageAll(again.staging, transfer);
    for (const chunk of [0, 1, 2, 3])
      expect((await collect(again.staging.read(chunk))).equals(chunkBytes(transfer, chunk))).toBe(true);
  });

  it('opening the chunks of a session cuts off an older opening of the same chunks', async () => {
    const place = diskPlace();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { area, staging } = await begin(store, ID, transfer);
    const writer = await staging.write(0, 0);
    await area.openChunks(transfer);
    expect(await codeOf(() => writer.write([Buffer.alloc(1)]))).toBe('chunk-conflict');
    expect(await codeOf(() => staging.write(0, 0))).toBe('chunk-conflict');
  });

  it('staging leaves nothing behind in the root, not even another modification time', async () => {
    const place = diskPlace();
    utimesSync(place.root, 1000, 2000);
    const before = openDescriptors();
    const store = await place.open();
    const transfer = transferOf(store, 't', [file('big', SIZE)]);
    const { area, staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    expect(statSync(join(place.root, '.cairn')).mode & 0o777).toBe(0o700);
    expect(statSync(join(place.root, '.cairn/staging', ID, 'e0')).mode & 0o777).toBe(0o600);
    await area.discard();
    expect(readdirSync(place.root)).toEqual([]);
    expect(statSync(place.root).mtimeMs).toBe(2_000_000);
    await store.close();
    expect(openDescriptors()).toBe(before);
  });

  it('discarding the staging of one session keeps that of another', async () => {
    const place = diskPlace();
    const store = await place.open();
    const area = await store.openStaging('one');
    const other = await store.openStaging('two');
    await other.save('plan', ['kept']);
    await area.discard();
    expect(readdirSync(join(place.root, '.cairn/staging'))).toEqual(['two']);
  });

  it.each(['', '..', 'a/b', 'a'.repeat(65), 'ä'])('staging refuses the id %j', async (id) => {
    const store = await diskPlace().open();
    expect(await codeOf(() => store.openStaging(id))).toBe('invalid-request');
  });

  it('staging does not go through a symbolic link', async () => {
    const place = diskPlace();
    symlinkSync(place.outside, join(place.root, '.cairn'));
    const store = await place.open();
    expect(await codeOf(() => store.openStaging('x'))).toBe('symlink-refused');
    expect(readdirSync(place.outside)).toEqual([]);
  });
});
