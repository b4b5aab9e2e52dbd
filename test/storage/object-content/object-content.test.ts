import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { openDirectoryObjects } from '../../../src/storage/objects/directory/directory-objects.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { contentStoreSuite } from '../../suites/content-store.ts';
import { keysOf } from '../../suites/objects-at-hand.ts';
import { expectTree } from '../../suites/expected-tree.ts';
import {
  begin,
  chunkBytes,
  codeOf,
  collect,
  digestOf,
  directory,
  file,
  orderOf,
  putTree,
  stageAll,
  stageChunk,
  stream,
  transferOf,
} from '../../suites/staged-transfer.ts';

const ID = 'memory-store-own-tests';

contentStoreSuite('content as objects in memory', async () => {
  const objects = createMemoryObjects();
  const store = createObjectContent(objects);
  return { store, reopen: async () => createObjectContent(objects), cleanup: () => store.close() };
});

contentStoreSuite('content as objects in a directory', async () => {
  const home = await mkdtemp(join(tmpdir(), 'cairn-content-'));
  const reopen = async () => createObjectContent(await openDirectoryObjects(join(home, 'objects')));
  return { store: await reopen(), reopen, cleanup: () => rm(home, { recursive: true, force: true }) };
});

contentStoreSuite('content as objects in memory, with large chunks', async () => {
  const objects = createMemoryObjects();
  const options = { minChunkSizeBytes: 256 * 1024 };
  const store = createObjectContent(objects, options);
  return {
    store,
    reopen: async () => createObjectContent(objects, options),
    cleanup: () => store.close(),
  };
});

/** A bucket that tells of every put. */
function watched(): { objects: ObjectStore; puts: string[] } {
  const inner = createMemoryObjects();
  const puts: string[] = [];
  const put: ObjectStore['put'] = (key, ...rest) => {
    puts.push(key);
    return inner.put(key, ...rest);
  };
  return { objects: { ...inner, put }, puts };
}

describe('content as objects', () => {
  it('content as objects has the properties of an object store', () => {
    expect(
      createObjectContent(createMemoryObjects(), { minChunkSizeBytes: 1 << 20 }).properties,
    ).toMatchObject({
      chunkSizeBytes: { min: 1 << 20 },
      holdsPartialChunks: false,
      durability: 'immediate',
      assembles: false,
      mtimeResolutionNs: 1n,
      modes: { umask: 0, ownerReads: false },
    });
  });

  it('content as objects publishes what was there at the last sync, whatever another node put since', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const transfer = transferOf(store, 'tree', [directory(''), file('f', 'what was compared')]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.sync();
    const [key] = await keysOf(objects, `c/${ID}/`);
    const other = `${key!.slice(0, key!.lastIndexOf('/'))}/0-${'0'.repeat(16)}-00000000`;
    await objects.put(other, Buffer.from('what came after it'.slice(0, 17)));
    await staging.publish(orderOf(transfer));
    await expectTree(store, 'tree', transfer.items);
  });

  it('content as objects refuses a chunk size below its smallest part', async () => {
    const objects = createMemoryObjects();
    const transfer = transferOf(createObjectContent(objects), '', [file('f', 100)]);
    const area = await createObjectContent(objects, { minChunkSizeBytes: 1 << 20 }).openStaging(ID);
    expect(await codeOf(() => area.openChunks(transfer))).toBe('storage-unsupported');
  });

  it('content as objects shows a chunk to another process as soon as it is finished', async () => {
    const objects = createMemoryObjects();
    const [here, there] = [createObjectContent(objects), createObjectContent(objects)];
    const transfer = transferOf(here, '', [file('f', 200_000)]);
    const ours = (await begin(here, ID, transfer)).staging;
    const theirs = (await begin(there, ID, transfer)).staging;
    await stageChunk(ours, transfer, 1);
    expect(ours.digests.has(1)).toBe(true);
    await theirs.sync();
    expect([...theirs.digests.chunks.values()]).toEqual([1]);
    expect((await collect(theirs.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
  });

  it('content as objects lets two processes stage one transfer and a third publish it', async () => {
    const objects = createMemoryObjects();
    const stores = [0, 1, 2].map(() => createObjectContent(objects));
    const items = [directory(''), file('f', 500_000), file('g', 5), file('h', 100_000)];
    const transfer = transferOf(stores[0]!, 'shared', items);
    const stagings = await Promise.all(
      stores.map(async (store) => (await begin(store, ID, transfer)).staging),
    );
    for (let chunk = 0; chunk < transfer.layout.chunkCount; chunk++) {
      await stageChunk(stagings[chunk % 2]!, transfer, chunk);
    }
    await stagings[2]!.publish(orderOf(transfer));
    await expectTree(stores[0]!, 'shared', items);
  });

  it('content as objects puts the same chunk only once, and other bytes as a new object', async () => {
    const { objects, puts } = watched();
    const store = createObjectContent(objects);
    const transfer = transferOf(store, '', [stream(Buffer.alloc(65_536))]);
    const { staging } = await begin(store, ID, transfer);
    await stageChunk(staging, transfer, 0);
    const before = puts.length;
    await stageChunk(staging, transfer, 0);
    expect(puts).toHaveLength(before);
    const other = Buffer.alloc(65_536, 7);
    const writer = await staging.write(0, 0);
    await writer.write([other]);
    await writer.finish(digestOf(transfer, other));
    expect(puts).toHaveLength(before + 1);
    expect((await collect(staging.read(0))).equals(other)).toBe(true);
  });

  it('content as objects puts nothing before a chunk is finished', async () => {
    const { objects, puts } = watched();
    const store = createObjectContent(objects);
    const transfer = transferOf(store, '', [file('f', 65_536)]);
    const { staging } = await begin(store, ID, transfer);
    const before = puts.length;
    for (const end of ['hold', 'drop'] as const) {
      const writer = await staging.write(0, 0);
      await writer.write([Buffer.alloc(1000)]);
      await writer[end]();
    }
    expect(puts).toHaveLength(before);
  });

  it('content as objects refuses a chunk that is finished too short', async () => {
    const store = createObjectContent(createMemoryObjects());
    const transfer = transferOf(store, '', [file('f', 65_536)]);
    const { staging } = await begin(store, ID, transfer);
    const writer = await staging.write(0, 0);
    await writer.write([Buffer.alloc(1000)]);
    expect(await codeOf(() => writer.finish(digestOf(transfer, Buffer.alloc(1000))))).toBe(
      'chunk-incomplete',
    );
    expect(staging.digests.chunks.size).toBe(0);
  });

  it('content as objects publishes nothing while a chunk is missing', async () => {
    const store = createObjectContent(createMemoryObjects());
    await putTree(store, 'x', [directory(''), file('a', 'old')]);
    const transfer = transferOf(store, 'x', [directory(''), file('a', 'new'), file('b', 200_000)]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    const short = transferOf(store, 'x', [directory(''), file('a', 'newer'), file('b', 200_000)]);
    const other = (await begin(store, ID, short)).staging;
    await stageChunk(other, short, 0);
    expect(await codeOf(() => other.publish(orderOf(short)))).toBe('chunks-missing');
    await expectTree(store, 'x', [directory(''), file('a', 'old')]);
  });

  it('content as objects keeps of a session the chunks that are files now, and what names them', async () => {
    const objects = createMemoryObjects();
    await putTree(createObjectContent(objects), 'x', [directory(''), file('a', 200_000)]);
    const keys = await keysOf(objects);
    expect(keys.map((key) => key.slice(0, 2))).toEqual(['c/', 'c/', 'c/', 'c/', 'c/', 'i/']);
    expect(keys.filter((key) => key.split('/').at(-1)!.startsWith('t-'))).toHaveLength(1);
  });

  it('content as objects keeps the bytes of a published file when its chunks are forgotten afterwards', async () => {
    const store = createObjectContent(createMemoryObjects());
    const items = [directory(''), file('a', 200_000)];
    const transfer = transferOf(store, 'x', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    await staging.forget([0, 1]);
    expect(staging.digests.has(0)).toBe(false);
    await expectTree(store, 'x', items);
  });
});
