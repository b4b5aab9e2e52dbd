import { expect, it } from 'vitest';
import type { DocumentName, StagingArea } from '../../src/storage/content-store.ts';
import { readFile } from './expected-tree.ts';
import {
  begin,
  chunkSizeOf,
  collect,
  directory,
  file,
  openPlace,
  orderOf,
  stageAll,
  transferOf,
  type MakeStore,
} from './staged-transfer.ts';

const ID = 'documents-of-the-tests';
const OTHER_ID = 'another-of-these-tests';

async function textOf(area: StagingArea, name: DocumentName): Promise<string | undefined> {
  const bytes = await area.load(name);
  return bytes === undefined ? undefined : (await collect(bytes)).toString();
}

/** Registers the tests of documents and of the life of a staging area. */
export function documentTests(makeStore: MakeStore): void {
  it('a content store keeps documents apart, by name and by session', async () => {
    const { store } = await openPlace(makeStore);
    const area = await store.openStaging(ID);
    const other = await store.openStaging(OTHER_ID);
    await area.save('manifest', ['one\n', 'zwei ünd 😀\n']);
    await area.save('plan', []);
    await other.save('manifest', ['other']);
    expect(await textOf(area, 'manifest')).toBe('one\nzwei ünd 😀\n');
    expect(await textOf(area, 'plan')).toBe('');
    expect(await textOf(area, 'identities')).toBeUndefined();
    expect(await textOf(other, 'manifest')).toBe('other');
  });

  it('a content store replaces a document as a whole, and finds it after it was opened again', async () => {
    const { store, reopen } = await openPlace(makeStore);
    const area = await store.openStaging(ID);
    await area.save('digests', ['a much longer text that was there before']);
    await area.save('digests', ['short']);
    const again = await (await reopen()).openStaging(ID);
    expect(await textOf(again, 'digests')).toBe('short');
  });

  it('a content store keeps the old document when the text of the new one fails half-way', async () => {
    const { store } = await openPlace(makeStore);
    const area = await store.openStaging(ID);
    await area.save('plan', ['old']);
    function* failing(): Generator<string> {
      yield 'new';
      throw new Error('no more text');
    }
    await expect(area.save('plan', failing())).rejects.toThrow();
    expect(await textOf(area, 'plan')).toBe('old');
  });

  it('a content store keeps a large document', async () => {
    const { store } = await openPlace(makeStore);
    const area = await store.openStaging(ID);
    const lines = Array.from({ length: 100_000 }, (_, n) => `line ${n} of a large document\n`);
    await area.save('manifest', lines);
    expect(await textOf(area, 'manifest')).toBe(lines.join(''));
  });

  it('a content store lists the staging areas that there are', async () => {
    const { store, reopen } = await openPlace(makeStore);
    expect(await store.listStaging()).toEqual([]);
    await (await store.openStaging(ID)).save('plan', ['x']);
    await (await store.openStaging(OTHER_ID)).save('plan', ['y']);
    expect((await store.listStaging()).toSorted()).toEqual([ID, OTHER_ID].toSorted());
    expect((await (await reopen()).listStaging()).toSorted()).toEqual([ID, OTHER_ID].toSorted());
  });

  it('a content store frees everything that a session holds, and nothing that is published', async () => {
    const { store } = await openPlace(makeStore);
    const transfer = transferOf(store, 'kept', [
      directory(''),
      file('f', chunkSizeOf(store) + 1),
      file('g', 3),
    ]);
    const { area, staging } = await begin(store, ID, transfer);
    await area.save('manifest', ['text']);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    await staging.close();
    await area.discard();
    expect(await store.listStaging()).toEqual([]);
    expect((await readFile(store, 'kept/f')).length).toBe(chunkSizeOf(store) + 1);
    const again = await begin(store, ID, transfer);
    expect(again.staging.digests.chunks.size).toBe(0);
    expect([...again.staging.partialChunks()]).toEqual([]);
    expect(await textOf(again.area, 'manifest')).toBeUndefined();
    await again.staging.close();
  });

  it('a content store discards a transfer in the middle, and twice without harm', async () => {
    const { store } = await openPlace(makeStore);
    const transfer = transferOf(store, 'never', [directory(''), file('f', 3 * chunkSizeOf(store))]);
    const { area, staging } = await begin(store, ID, transfer);
    const writer = await staging.write(0, 0);
    await writer.write([Buffer.alloc(1000)]);
    await writer.hold();
    await staging.close();
    await area.discard();
    await area.discard();
    expect(await store.listStaging()).toEqual([]);
    expect(await store.lookup(['never'])).toEqual([undefined]);
  });
}
