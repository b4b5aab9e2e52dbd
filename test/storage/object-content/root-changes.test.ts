import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { openPublishedTree } from '../../../src/storage/object-content/published-tree.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { scanAll } from '../../suites/expected-tree.ts';
import { codeOf } from '../../suites/staged-transfer.ts';
import { stepping } from './stepping.ts';

const namesOf = async (store: ReturnType<typeof createObjectContent>): Promise<string[]> =>
  (await scanAll(store, '')).found.map(({ entry }) => entry.path).slice(1);

describe('changes of the root', () => {
  it('changes of the root that wait in one process go together, and none is lost beside other nodes', async () => {
    let puts = 0;
    const inner = createMemoryObjects();
    const objects = stepping(inner, async (kind, key) => {
      if (kind === 'put' && key === 'i/root') puts += 1;
      await sleep(1);
    });
    const stores = [0, 1, 2].map(() => createObjectContent(objects));
    const names = Array.from({ length: 90 }, (_, n) => `d${n}`);
    await Promise.all(names.map((name, n) => stores[n % 3]!.makeDirectory(name, { parents: false })));
    expect((await namesOf(stores[0]!)).toSorted()).toEqual(names.toSorted());
    expect(puts).toBeLessThan(45);
  });

  it('a change of the root that fails does not take those along that wait with it', async () => {
    const store = createObjectContent(createMemoryObjects());
    await store.makeDirectory('there', { parents: false });
    const ends = await Promise.all([
      codeOf(() => store.makeDirectory('a', { parents: false })),
      codeOf(() => store.makeDirectory('there', { parents: false })),
      codeOf(() => store.makeDirectory('a', { parents: false })),
      codeOf(() => store.makeDirectory('b', { parents: false })),
      codeOf(() => store.remove('a', { recursive: false })),
    ]);
    expect(ends).toEqual(['done', 'already-exists', 'already-exists', 'done', 'done']);
    expect(await namesOf(store)).toEqual(['b', 'there']);
  });

  it('a change of the root that has lost to faster nodes four times has its turn', async () => {
    const objects = createMemoryObjects();
    const [slow, fast] = [openPublishedTree(objects), openPublishedTree(objects)];
    const over = new AbortController();
    let made = 0;
    const rival = (async () => {
      while (!over.signal.aborted) {
        await fast.change(async ({ recent, tree }) => ({ tree, recent }));
        made += 1;
        await sleep(1);
      }
    })();
    let tries = 0;
    await slow.change(async ({ recent, tree }) => {
      tries += 1;
      await sleep(40);
      return { tree, recent };
    });
    over.abort();
    await rival;
    expect(made).toBeGreaterThan(4);
    expect(tries).toBeLessThanOrEqual(8);
    expect((await fast.root()).reserved).toBeUndefined();
  });
});
