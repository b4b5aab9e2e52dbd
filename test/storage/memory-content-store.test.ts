import { describe, expect, it } from 'vitest';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { createMemoryBackend, type MemoryBackend } from '../support/memory-stores/memory-backend.ts';
import { contentStoreSuite } from '../suites/content-store.ts';
import { expectTree } from '../suites/expected-tree.ts';
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
} from '../suites/staged-transfer.ts';

const ID = 'memory-store-own-tests';

contentStoreSuite('memory content store', async () => {
  const backend = createMemoryBackend();
  const store = createMemoryContentStore(backend);
  return { store, reopen: async () => createMemoryContentStore(backend), cleanup: () => store.close() };
});

contentStoreSuite('memory content store with large parts', async () => {
  const backend = createMemoryBackend();
  const options = { minChunkSizeBytes: 256 * 1024 };
  const store = createMemoryContentStore(backend, options);
  return {
    store,
    reopen: async () => createMemoryContentStore(backend, options),
    cleanup: () => store.close(),
  };
});

/** A bucket that tells of every put. */
function watched(): { backend: MemoryBackend; puts: string[] } {
  const inner = createMemoryBackend();
  const puts: string[] = [];
  const put: MemoryBackend['put'] = (key, ...rest) => {
    puts.push(key);
    return inner.put(key, ...rest);
  };
  return { backend: { ...inner, put }, puts };
}

describe('the memory content store', () => {
  it('says what an object store would say of itself', () => {
    expect(
      createMemoryContentStore(createMemoryBackend(), { minChunkSizeBytes: 1 << 20 }).properties,
    ).toMatchObject({
      chunkSizeBytes: { min: 1 << 20 },
      holdsPartialChunks: false,
      durability: 'immediate',
      mtimeResolutionNs: 1n,
      modes: { umask: 0, ownerReads: false },
    });
  });

  it('refuses a chunk size below its smallest part', async () => {
    const backend = createMemoryBackend();
    const transfer = transferOf(createMemoryContentStore(backend), '', [file('f', 100)]);
    const area = await createMemoryContentStore(backend, { minChunkSizeBytes: 1 << 20 }).openStaging(ID);
    expect(await codeOf(() => area.openChunks(transfer))).toBe('storage-unsupported');
  });

  it('shows a chunk to another process as soon as it is finished', async () => {
    const backend = createMemoryBackend();
    const [here, there] = [createMemoryContentStore(backend), createMemoryContentStore(backend)];
    const transfer = transferOf(here, '', [file('f', 200_000)]);
    const ours = (await begin(here, ID, transfer)).staging;
    const theirs = (await begin(there, ID, transfer)).staging;
    await stageChunk(ours, transfer, 1);
    expect(ours.digests.has(1)).toBe(true);
    await theirs.sync();
    expect([...theirs.digests.chunks.values()]).toEqual([1]);
    expect((await collect(theirs.read(1))).equals(chunkBytes(transfer, 1))).toBe(true);
  });

  it('lets two processes stage one transfer and a third publish it', async () => {
    const backend = createMemoryBackend();
    const stores = [0, 1, 2].map(() => createMemoryContentStore(backend));
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

  it('puts the same chunk again without another part, and other bytes as a new one', async () => {
    const { backend, puts } = watched();
    const store = createMemoryContentStore(backend);
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

  it('puts nothing before a chunk is finished', async () => {
    const { backend, puts } = watched();
    const store = createMemoryContentStore(backend);
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

  it('refuses a chunk that is finished too short', async () => {
    const store = createMemoryContentStore(createMemoryBackend());
    const transfer = transferOf(store, '', [file('f', 65_536)]);
    const { staging } = await begin(store, ID, transfer);
    const writer = await staging.write(0, 0);
    await writer.write([Buffer.alloc(1000)]);
    expect(await codeOf(() => writer.finish(digestOf(transfer, Buffer.alloc(1000))))).toBe(
      'chunk-incomplete',
    );
    expect(staging.digests.chunks.size).toBe(0);
  });

  it('publishes nothing while a chunk is missing', async () => {
    const store = createMemoryContentStore(createMemoryBackend());
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

  it('leaves nothing of a session in the bucket', async () => {
    const backend = createMemoryBackend();
    await putTree(createMemoryContentStore(backend), 'x', [directory(''), file('a', 200_000)]);
    const keys = (await backend.list('')).map(({ key }) => key).toSorted();
    expect(keys).toEqual(['content/x', 'content/x/a']);
  });
});
