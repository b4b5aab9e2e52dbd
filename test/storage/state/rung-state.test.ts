import { expect, it, onTestFinished } from 'vitest';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { createObjectState } from '../../../src/storage/state/objects/object-state.ts';
import { withBell } from '../../../src/storage/state/rung-state.ts';
import type { StateStore } from '../../../src/storage/state/state-store.ts';
import { createMemoryHub, type MemoryHub } from '../../support/memory-stores/memory-shared-memory.ts';
import { stateStoreSuite } from '../../suites/state-store.ts';

const NEVER_MS = 2 ** 30;

stateStoreSuite('documents with a bell', async () => {
  const objects = createMemoryObjects();
  const hub = createMemoryHub();
  const reopen = async () => withBell(createObjectState(objects, { lookEveryMs: 5 }), hub.node());
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

stateStoreSuite('documents with a bell that nobody hears', async () => {
  const objects = createMemoryObjects();
  const hub = createMemoryHub();
  hub.isAway = true;
  const reopen = async () => withBell(createObjectState(objects, { lookEveryMs: 5 }), hub.node());
  return { store: await reopen(), reopen, cleanup: async () => {} };
});

/** Two nodes that never look by themselves: what they learn, the bell has told. */
function twoNodes(): { readonly nodes: readonly [StateStore, StateStore]; readonly hub: MemoryHub } {
  const objects = createMemoryObjects();
  const hub = createMemoryHub();
  const node = (): StateStore => withBell(createObjectState(objects, { lookEveryMs: NEVER_MS }), hub.node());
  return { nodes: [node(), node()], hub };
}

function watch(store: StateStore, prefixOrKey: string): AsyncIterator<readonly string[]> {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  return store.watch(prefixOrKey, stop.signal)[Symbol.asyncIterator]();
}

it('a watch tells at once what another node has changed or removed, and nothing beside its prefix', async () => {
  const { nodes } = twoNodes();
  const [one, other] = nodes;
  const all = watch(other, 'a/');
  const single = watch(other, 'a/x');
  expect([(await all.next()).value, (await single.next()).value]).toEqual([[], []]);
  const told = Promise.all([all.next(), single.next()]);
  await one.compareAndSet('b/x', null, 'text');
  await one.compareAndSet('a/x', null, 'text');
  expect((await told).map(({ value }) => value as unknown)).toEqual([['a/x'], ['a/x']]);
  const gone = single.next();
  await one.remove('a/x');
  expect((await gone).value).toEqual(['a/x']);
});

it('a bell rings also for a change whose outcome is not known', async () => {
  const hub = createMemoryHub();
  const broken = createObjectState(createMemoryObjects());
  broken.compareAndSet = async () => {
    throw new Error('the answer was lost');
  };
  const rung: (readonly string[] | undefined)[] = [];
  hub.node().listen((keys) => rung.push(keys));
  await expect(withBell(broken, hub.node()).compareAndSet('k', null, 'text')).rejects.toThrow('lost');
  expect(rung).toEqual([['k']]);
});

it('changes that are rung while nobody waits are told together with the next question', async () => {
  const { nodes } = twoNodes();
  const [one, other] = nodes;
  const watching = watch(other, '');
  await watching.next();
  const first = watching.next();
  await one.compareAndSet('a', null, 'text');
  expect((await first).value).toEqual(['a']);
  await one.compareAndSet('b', null, 'text');
  await one.compareAndSet('c', null, 'text');
  expect((await watching.next()).value).toEqual(['b', 'c']);
});
