/** A store that has a tree at `there`, and what is published over it. */
import { expect } from 'vitest';
import { joinPath } from '../../src/base/safe-path.ts';
import type { ContentStore, PublishOrder } from '../../src/storage/content-store.ts';
import { expectTree } from './expected-tree.ts';
import {
  begin,
  openPlace,
  orderOf,
  putTree,
  stageAll,
  transferOf,
  type Item,
  type MakeStore,
} from './staged-transfer.ts';

const THERE = 'there';
const ID = 'publish-over-of-tests';

/** What is other than usual in an order; it may be made of the indices of paths. */
export type OrderChanges =
  Partial<PublishOrder> | ((indexOf: (path: string) => number) => Partial<PublishOrder>);

/** Opens a store that goes with the test, with `items` at `there`. */
export async function storeWith(makeStore: MakeStore, items: readonly Item[]): Promise<ContentStore> {
  const { store } = await openPlace(makeStore);
  await putTree(store, THERE, items);
  return store;
}

/** Publishes items over what is there, as often as that is wanted; the first one that is refused ends it. */
export async function publishOver(
  store: ContentStore,
  items: readonly Item[],
  changes: OrderChanges = {},
  times = 1,
): Promise<void> {
  const sorted = transferOf(store, THERE, items).items;
  const indexOf = (path: string): number => sorted.findIndex((item) => item.entry.path === path);
  const order = typeof changes === 'function' ? changes(indexOf) : changes;
  const { isPresent } = order;
  const transfer = transferOf(store, THERE, items, isPresent === undefined ? {} : { isPresent });
  const { area, staging } = await begin(store, ID, transfer);
  try {
    await stageAll(staging, transfer);
    for (let time = 0; time < times; time += 1) await staging.publish(orderOf(transfer, order));
  } finally {
    await staging.close();
    await area.discard();
  }
}

/** Publishes like {@link publishOver}, leaving out what is refused; answers that by path, which each time has to be the same. */
export async function refusalsOf(
  store: ContentStore,
  items: readonly Item[],
  changes: Partial<PublishOrder> = {},
  times = 1,
): Promise<Record<string, string>> {
  const sorted = transferOf(store, THERE, items).items;
  const told: [path: string, code: string][] = [];
  const onRefused: PublishOrder['onRefused'] = (index, { code }) =>
    void told.push([sorted[index]!.entry.path, code]);
  await publishOver(store, items, { onRefused, ...changes }, times);
  const first = told.slice(0, told.length / times);
  expect(told).toEqual(Array.from({ length: times }, () => first).flat());
  return Object.fromEntries(first);
}

/** What is at a path below `there` is exactly `items`. */
export async function expectThere(store: ContentStore, items: readonly Item[], path = ''): Promise<void> {
  await expectTree(store, joinPath(THERE, path), items);
}

/** The type of what is at each path below `there`; undefined where nothing is. */
export async function typesAt(
  store: ContentStore,
  ...paths: readonly string[]
): Promise<(string | undefined)[]> {
  const found = await store.lookup(paths.map((path) => joinPath(THERE, path)));
  return found.map((at) => at?.entry.type);
}
