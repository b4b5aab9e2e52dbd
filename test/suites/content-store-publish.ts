import { expect, it } from 'vitest';
import { joinPath } from '../../src/base/safe-path.ts';
import { expectTree, readFile, scanAll } from './expected-tree.ts';
import {
  begin,
  chunkSizeOf,
  codeOf,
  directory,
  file,
  openPlace,
  orderOf,
  putTree,
  stageAll,
  symlink,
  transferOf,
  type Item,
  type MakeStore,
} from './staged-transfer.ts';

const ID = 'publish-of-these-tests';

/** A tree of everything that has broken other tools. */
function awkwardTree(size: number): Item[] {
  const awkward = [
    '-rf',
    'new\nline',
    'ünï 日本 😀',
    'back\\slash',
    '%2e%2e',
    'n'.repeat(255),
    ' ',
    '~',
    '\uff5e',
  ];
  return [
    directory(''),
    ...awkward.map((name) => file(`names/${name}`, `I am ${JSON.stringify(name)}`)),
    directory('names'),
    directory('empty/below', { mode: 0o700 }),
    directory('empty', { mode: 0o1770 }),
    file('nothing', ''),
    file('nothing too', '', { mode: 0o600 }),
    file('exact', size),
    file('exact-twice', 2 * size),
    file('one-less', size - 1),
    file('one-more', size + 1),
    file('large', 3 * size + 12_345, { mode: 0o755 }),
    ...Array.from({ length: 40 }, (_, n) =>
      file(`packed/${n}`, n * 997, { mode: n % 2 === 0 ? 0o644 : 0o440 }),
    ),
    directory('packed'),
    file('times/nanoseconds', 'x', { mtimeNs: 1_600_000_000_123_456_789n }),
    file('times/old', 'x', { mtimeNs: 1n }),
    file('times/before 1970', 'x', { mtimeNs: -86_400_000_000_000n }),
    file('times/2100', 'x', { mtimeNs: 4_102_444_800_000_000_000n }),
    directory('times', { mtimeNs: 1_234_567_890_000_000_000n }),
    symlink('link', 'nothing'),
    symlink('dangling', '/nowhere/at all'),
    symlink('up', '..'),
  ];
}

/** Registers the tests of publishing. */
export function publishTests(makeStore: MakeStore): void {
  it.each(['', 'target', 'deep/down/below'])(
    'a content store publishes a whole tree at %j as it was sent',
    async (target) => {
      const { store, reopen } = await openPlace(makeStore);
      const items = awkwardTree(chunkSizeOf(store));
      await putTree(store, target, items);
      await expectTree(store, target, items);
      await expectTree(await reopen(), target, items);
    },
  );

  it('a content store publishes one file at exactly the path that the target names', async () => {
    const { store } = await openPlace(makeStore);
    const item = file('', chunkSizeOf(store) + 3, { mode: 0o600 });
    await putTree(store, 'some/where.bin', [item]);
    await expectTree(store, 'some/where.bin', [item]);
  });

  it('a content store shows nothing at the target before it is published', async () => {
    const { store } = await openPlace(makeStore);
    const transfer = transferOf(store, 'new', [
      directory(''),
      file('a', chunkSizeOf(store) * 2),
      file('b', 5),
    ]);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    expect(await store.lookup(['new', 'new/a', 'new/b'])).toEqual([undefined, undefined, undefined]);
    const { found, notices } = await scanAll(store, '');
    expect({ paths: found.map(({ entry }) => entry.path), notices }).toEqual({ paths: [''], notices: [] });
    await staging.close();
  });

  it('a content store publishes the same order twice without harm', async () => {
    const { store } = await openPlace(makeStore);
    const items = awkwardTree(chunkSizeOf(store));
    const transfer = transferOf(store, 'twice', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    await staging.publish(orderOf(transfer));
    await staging.publish(orderOf(transfer));
    await staging.close();
    await expectTree(store, 'twice', items);
  });

  it.each([1, 2, 3])(
    'a content store finishes a publication that was interrupted at progress report %i',
    async (stopAt) => {
      const place = await openPlace(makeStore);
      const size = chunkSizeOf(place.store);
      const items = [
        ...awkwardTree(size),
        ...Array.from({ length: 300 }, (_, n) => file(`many ${n}`, `number ${n}`)),
      ];
      const old = new Map(items.slice(10, 30).map((item) => [item.entry.path, `old ${item.entry.path}`]));
      const before = items.filter(({ entry }) => entry.type === 'file' && old.has(entry.path));
      const parents = items.filter(({ entry }) => entry.type === 'directory');
      await putTree(place.store, 'cut', [
        ...parents,
        ...before.map(({ entry }) => file(entry.path, old.get(entry.path)!)),
      ]);
      const transfer = transferOf(place.store, 'cut', items);
      const first = await begin(place.store, ID, transfer);
      await stageAll(first.staging, transfer);
      let reports = 0;
      const onProgress = (): void => {
        if (++reports === stopAt) throw new Error('the power went');
      };
      const attempt = first.staging.publish(orderOf(transfer, { onProgress }));
      const ended = await codeOf(() => attempt);
      expect(['done', 'not a CairnError: Error: the power went']).toContain(ended);
      for (const { entry, bytes } of before) {
        const now = (await readFile(place.store, joinPath('cut', entry.path))).toString();
        expect([old.get(entry.path), bytes.toString()]).toContain(now);
      }
      await first.staging.close();
      const store = await place.reopen();
      const second = await begin(store, ID, transfer);
      await second.staging.publish(orderOf(transfer));
      await second.staging.close();
      await expectTree(store, 'cut', items);
    },
  );

  it('a content store reports progress that grows and ends with all entries', async () => {
    const { store } = await openPlace(makeStore);
    const items = [directory(''), ...Array.from({ length: 500 }, (_, n) => file(`f${n}`, `${n}`))];
    const transfer = transferOf(store, 'p', items);
    const { staging } = await begin(store, ID, transfer);
    await stageAll(staging, transfer);
    const reports: number[] = [];
    await staging.publish(orderOf(transfer, { onProgress: (done) => void reports.push(done) }));
    expect(reports).toEqual(reports.toSorted((a, b) => a - b));
    expect(reports.at(-1)).toBe(items.length);
    await staging.close();
  });
}
