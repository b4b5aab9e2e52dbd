import { expect, it } from 'vitest';
import { readFile, scanAll } from './expected-tree.ts';
import {
  begin,
  chunkCountOf,
  chunkSizeOf,
  file,
  noise,
  openPlace,
  orderOf,
  putTree,
  stageAll,
  stageChunk,
  stream,
  transferOf,
  type MakeStore,
} from './staged-transfer.ts';

const ID = 'streams-of-these-tests';

/** Registers the tests of streams. */
export function streamTests(makeStore: MakeStore): void {
  it.each([
    ['no byte', 0, 0],
    ['one byte', 0, 1],
    ['exactly one chunk', 1, 0],
    ['exactly two chunks', 2, 0],
    ['a chunk and a bit', 1, 1],
    ['an odd size', 2, 54_321],
  ])(
    'a content store publishes a stream of %s with the size that it turned out to have',
    async (_what, chunks, more) => {
      const { store } = await openPlace(makeStore);
      const item = stream(noise(chunks * chunkSizeOf(store) + more, 'stream'));
      await putTree(store, 'out/piped', [item]);
      expect((await readFile(store, 'out/piped')).equals(item.bytes)).toBe(true);
      const { found } = await scanAll(store, 'out/piped');
      expect(found.map(({ entry }) => [entry.type, entry.path, entry.sizeBytes, entry.mode])).toEqual([
        ['file', '', item.bytes.length, 0o600],
      ]);
    },
  );

  it('a content store goes on with a stream after it was opened again', async () => {
    const place = await openPlace(makeStore);
    const item = stream(noise(3 * chunkSizeOf(place.store) + 9, 'resumed'));
    const transfer = transferOf(place.store, 'piped', [item]);
    const first = await begin(place.store, ID, transfer);
    await stageChunk(first.staging, transfer, 0);
    await stageChunk(first.staging, transfer, 2);
    await first.staging.sync();
    await first.staging.close();
    const store = await place.reopen();
    const second = await begin(store, ID, transfer);
    expect([...second.staging.digests.chunks.values()]).toEqual([0, 2]);
    await stageAll(second.staging, transfer);
    expect(second.staging.digests.chunks.size).toBe(chunkCountOf(transfer));
    await second.staging.publish(orderOf(transfer));
    await second.staging.close();
    expect((await readFile(store, 'piped')).equals(item.bytes)).toBe(true);
  });

  it('a content store replaces an old file by a stream only when it publishes', async () => {
    const { store } = await openPlace(makeStore);
    await putTree(store, 'piped', [file('', 'the old file, which is longer than nothing')]);
    const item = stream(noise(chunkSizeOf(store), 'replaced'));
    const transfer = transferOf(store, 'piped', [item]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    expect((await readFile(store, 'piped')).toString()).toContain('the old file');
    await staging.publish(orderOf(transfer));
    await staging.close();
    expect((await readFile(store, 'piped')).equals(item.bytes)).toBe(true);
  });
}
