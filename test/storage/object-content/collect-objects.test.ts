import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { createObjectContent } from '../../../src/storage/object-content/object-content.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { expectTree } from '../../suites/expected-tree.ts';
import { keysOf } from '../../suites/objects-at-hand.ts';
import {
  begin,
  codeOf,
  directory,
  file,
  orderOf,
  putTree,
  stageAll,
  transferOf,
} from '../../suites/staged-transfer.ts';
import { atRequest, stepping } from './stepping.ts';

const ID = 'collect-of-these-tests';
const HOUR_MS = 3_600_000;
const OLD = [
  directory(''),
  file('a', 'old'),
  file('b', 200_000),
  file('c', 3000),
  directory('moves'),
  file('moves/f', 'stays'),
];
const NEW = [directory(''), file('a', 'new'), file('b', 'short'), file('c', 'short')];
const AFTER = [...NEW, ...OLD.slice(4)];

/** A node that frees at once, as often as it is asked. */
const eager = (objects: ObjectStore): ContentStore => createObjectContent(objects, { keepUnusedMs: 0 });

/** Condemns and frees, and once more what the first run has made unneeded. */
async function collectAll(objects: ObjectStore): Promise<void> {
  const store = eager(objects);
  for (let run = 0; run < 3; run += 1) await store.collect!(() => false);
}

/** Number of requests of an action. */
async function countOf(
  prepare: (objects: ObjectStore) => Promise<unknown>,
  act: (objects: ObjectStore) => Promise<unknown>,
): Promise<number> {
  const objects = createMemoryObjects();
  await prepare(objects);
  let requests = 0;
  await act(stepping(objects, () => void (requests += 1)));
  return requests;
}

const seed = (objects: ObjectStore): Promise<void> => putTree(createObjectContent(objects), 't', OLD);

/** Changes of the tree that are to survive a collection at any of their steps. */
const CHANGES = {
  'a push': async (objects: ObjectStore) => {
    const store = createObjectContent(objects);
    const transfer = transferOf(store, 't', NEW);
    const { area, staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer, { confirm: async () => {} }));
    await area.discard();
    return { t: AFTER };
  },
  'a move': async (objects: ObjectStore) => {
    const store = createObjectContent(objects);
    await store.move('t/moves', 'moved', { replace: false });
    await store.move('moved', 't/moved again', { replace: false });
    await store.remove('t/a', { recursive: false });
    return {
      't/moved again': [directory(''), file('f', 'stays')],
      't/b': [file('', OLD[2]!.bytes.toString('latin1'))],
    };
  },
  'a push that keeps what it replaces': async (objects: ObjectStore) => {
    const store = createObjectContent(objects);
    const transfer = transferOf(store, 't', NEW);
    const { area, staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer, { backup: 'kept' }));
    await area.discard();
    return { t: AFTER };
  },
} as const;

async function expectAll(objects: ObjectStore, trees: object): Promise<void> {
  const store = createObjectContent(objects);
  for (const [path, items] of Object.entries(trees) as [string, typeof OLD][]) {
    if (path === 't/b') expect((await store.lookup([path]))[0]?.entry.sizeBytes).toBe(200_000);
    else await expectTree(store, path, items);
  }
}

describe('the collector of objects', () => {
  it.each(Object.keys(CHANGES) as (keyof typeof CHANGES)[])(
    'the collector loses nothing when it runs whole at any step of %s',
    async (name) => {
      const change = CHANGES[name];
      const steps = await countOf(seed, change);
      expect(steps).toBeGreaterThan(5);
      for (let step = 1; step <= steps + 1; step += 1) {
        const objects = createMemoryObjects();
        await seed(objects);
        const trees = await change(
          stepping(
            objects,
            atRequest(step, () => collectAll(objects)),
          ),
        );
        await expectAll(objects, trees);
        await collectAll(objects);
        await expectAll(objects, trees);
      }
    },
  );

  it.each(Object.keys(CHANGES) as (keyof typeof CHANGES)[])(
    'the collector loses nothing when %s runs whole at any of its steps',
    async (name) => {
      const change = CHANGES[name];
      const prepare = async (objects: ObjectStore): Promise<void> => {
        await seed(objects);
        await putTree(createObjectContent(objects), 't', [directory(''), file('a', 'older garbage')]);
        await seed(objects);
      };
      const steps = await countOf(prepare, collectAll);
      expect(steps).toBeGreaterThan(15);
      for (let step = 1; step <= steps; step += 1) {
        const objects = createMemoryObjects();
        await prepare(objects);
        let trees = {};
        const act = async (): Promise<void> => void (trees = await change(objects));
        await collectAll(stepping(objects, atRequest(step, act)));
        await expectAll(objects, trees);
        await collectAll(objects);
        await expectAll(objects, trees);
      }
    },
    60_000,
  );

  it('the collector frees replaced and removed content, older pages and unpublished chunks only', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    await putTree(store, 't', OLD);
    await putTree(store, 't', NEW);
    await store.remove('t/moves', { recursive: true });
    const transfer = transferOf(store, 'never', OLD);
    const { area, staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await area.discard();
    await collectAll(objects);
    await expectTree(store, 't', NEW);
    // Both files are in one packed chunk; one object has the nodes of the last change.
    const keys = await keysOf(objects);
    expect(keys.filter((key) => key.startsWith('c/'))).toHaveLength(2);
    expect(keys.filter((key) => !key.startsWith('c/'))).toEqual(['i/root']);
  });

  it('the collector keeps everything of a session that is open, whatever it has published', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const transfer = transferOf(store, 't', OLD);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    const before = await keysOf(objects, 'c/');
    await collectAll(objects);
    expect(await keysOf(objects, 'c/')).toEqual(before);
    await staging.publish(orderOf(transfer));
    await expectTree(store, 't', OLD);
  });

  it('a publisher whose session was ended and collected publishes nothing', async () => {
    const objects = createMemoryObjects();
    await seed(objects);
    let isDue = false;
    const store = createObjectContent(
      stepping(objects, async (kind, key) => {
        if (kind !== 'put' || key !== 'i/root' || !isDue) return;
        isDue = false;
        const { discard } = await createObjectContent(objects).openStaging(ID);
        await discard();
        await collectAll(objects);
      }),
    );
    const transfer = transferOf(store, 't', NEW);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    isDue = true;
    expect(await codeOf(() => staging.publish(orderOf(transfer)))).toBe('server-busy');
    await expectTree(createObjectContent(objects), 't', OLD);
  });

  it("the collector frees nothing before it has been unneeded for an hour of the store's clock", async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    await putTree(store, 't', OLD);
    vi.advanceTimersByTime(10 * HOUR_MS);
    await putTree(store, 't', NEW);
    const all = await keysOf(objects, 'c/');
    // It was needed until a moment ago, however old it is.
    expect(await store.collect!(() => false)).toBe(0);
    vi.advanceTimersByTime(HOUR_MS - 1);
    expect(await store.collect!(() => false)).toBe(0);
    const ofThose = async (): Promise<string[]> =>
      (await keysOf(objects, 'c/')).filter((key) => all.includes(key));
    expect(await ofThose()).toEqual(all);
    vi.advanceTimersByTime(HOUR_MS);
    expect(await store.collect!(() => false)).toBeGreaterThan(0);
    expect((await ofThose()).length).toBeLessThan(all.length);
    await expectTree(store, 't', AFTER);
  });

  it('the collector copies what is needed out of half-dead objects, and files keep their identity', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const many = Array.from({ length: 60 }, (_, n) => file(`${n}`, 1000 + n));
    await putTree(store, 't', [directory(''), ...many]);
    const [pack] = (await keysOf(objects, 'c/')).filter((key) => key.includes('/0-'));
    const fewer = many.slice(0, 40).map(({ entry }) => file(entry.path, 'replaced'));
    await putTree(store, 't', [directory(''), ...fewer]);
    const all = [directory(''), ...fewer, ...many.slice(40)];
    const [before] = await store.lookup(['t/50']);
    const bytes = store.read('t/50', { from: 0, to: 1050 }, before!.identity)[Symbol.asyncIterator]();
    await collectAll(objects);
    expect(await keysOf(objects, 'c/')).not.toContain(pack);
    await expectTree(createObjectContent(objects), 't', all);
    const [after] = await store.lookup(['t/50']);
    expect(after).toEqual(before);
    expect(Buffer.from((await bytes.next()).value as Uint8Array).equals(many[50]!.bytes)).toBe(true);
    // Nothing is left to copy.
    const keys = await keysOf(objects, 'c/');
    await collectAll(objects);
    expect(await keysOf(objects, 'c/')).toEqual(keys);
  });

  it('the collector packs the pages of the tree after many small changes, and loses none beside a push', async () => {
    const objects = createMemoryObjects();
    const store = createObjectContent(objects);
    const many = Array.from({ length: 2000 }, (_, n) => file(`many/${n}`, `${n}`));
    await putTree(store, 't', [directory(''), directory('many'), ...many]);
    for (let n = 0; n < 60; n += 1) await store.remove(`t/many/${n * 33}`, { recursive: false });
    const rest = many.filter((_, n) => n % 33 !== 0 || n >= 60 * 33);
    const pagesOf = async (): Promise<number> => {
      let gets = 0;
      const cold = createObjectContent(stepping(objects, (kind) => void (gets += kind === 'get' ? 1 : 0)));
      for await (const _batch of cold.scan('', { onNotice: () => undefined }));
      return gets;
    };
    expect(await pagesOf()).toBeGreaterThan(16);
    // The first time the root is put for the next generation, the second time for the tree in its new place.
    let puts = 0;
    const racing = stepping(objects, async (kind, key) => {
      if (kind === 'put' && key === 'i/root' && (puts += 1) === 2) await putTree(store, 'other', OLD);
    });
    await eager(racing).collect!(() => false);
    expect(puts).toBe(3);
    expect(await pagesOf()).toBeLessThan(8);
    await collectAll(objects);
    await expectTree(createObjectContent(objects), 'other', OLD);
    await expectTree(createObjectContent(objects), 't/many', [
      directory(''),
      ...rest.map(({ entry, bytes }) => file(entry.path.slice(5), bytes.toString())),
    ]);
  });

  it('the collector ends early when it is asked to, and frees nothing that it has not marked', async () => {
    const objects = createMemoryObjects();
    await seed(objects);
    const before = await keysOf(objects);
    for (let most = 0; most < 6; most += 1) {
      let asked = 0;
      await eager(objects).collect!(() => (asked += 1) > most);
    }
    expect(await keysOf(objects, 'c/')).toEqual(before.filter((key) => key.startsWith('c/')));
    await expectTree(createObjectContent(objects), 't', OLD);
  });
});
