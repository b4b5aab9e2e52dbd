import fc from 'fast-check';
import { expect } from 'vitest';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { keysOf, textOf } from '../../suites/objects-at-hand.ts';

/** What a store should hold: text and tag of each key, and all tags that ever were. */
interface Model {
  readonly objects: Map<string, { text: string; etag: string }>;
  readonly tags: string[];
}

type Command = fc.AsyncCommand<Model, ObjectStore>;

const PARTS = ['a', 'b', 'B', 'a.b', '-', 'x_9'];
const key = fc
  .array(fc.constantFrom(...PARTS), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join('/'));
const command = (name: string, run: (model: Model, store: ObjectStore) => Promise<void>): Command => ({
  check: () => true,
  run,
  toString: () => name,
});

const put = fc
  .tuple(key, fc.string(), fc.constantFrom('any', 'none', 'same', 'old'))
  .map(([at, text, when]) =>
    command(`put ${at} ${when} ${JSON.stringify(text)}`, async (model, store) => {
      const there = model.objects.get(at);
      const ifMatch = when === 'none' ? null : when === 'same' ? there?.etag : model.tags[text.length];
      const isConditional = when !== 'any' && ifMatch !== undefined;
      const etag = await store.put(at, Buffer.from(text), isConditional ? { ifMatch } : {});
      if (isConditional && ifMatch !== (there?.etag ?? null)) {
        expect(etag).toBeUndefined();
        return;
      }
      expect(model.tags).not.toContain(etag);
      model.tags.push(etag!);
      model.objects.set(at, { text: Buffer.from(text).toString(), etag: etag! });
    }),
  );

const get = fc.tuple(key, fc.nat(8), fc.nat(8)).map(([at, from, to]) =>
  command(`get ${at} ${from} ${to}`, async (model, store) => {
    const there = model.objects.get(at);
    const bytes =
      there === undefined ? undefined : Buffer.from(there.text).subarray(from, Math.max(from, to));
    expect(await textOf(store, at, { from, to })).toBe(bytes?.toString());
    if (there !== undefined) expect(await store.get(at, { unless: there.etag })).toBe('unchanged');
  }),
);

const list = fc.tuple(key, fc.nat(6), key).map(([at, cut, after]) =>
  command(`list ${at.slice(0, cut)} after ${after}`, async ({ objects }, store) => {
    const prefix = at.slice(0, cut);
    const keys = [...objects.keys()].filter((each) => each.startsWith(prefix)).toSorted();
    expect(await keysOf(store, prefix)).toEqual(keys);
    expect(await keysOf(store, prefix, after)).toEqual(keys.filter((each) => each > after));
  }),
);

const remove = fc.array(key, { maxLength: 3 }).map((keys) =>
  command(`remove ${keys.join(' ')}`, async ({ objects }, store) => {
    await store.remove(keys);
    for (const each of keys) objects.delete(each);
  }),
);

/** Does random things with a store, and with a map; after each of them both have to agree. */
export async function checkAgainstMap(open: () => Promise<ObjectStore>, numRuns: number): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.commands([put, put, get, list, remove], { maxCommands: 30 }), async (commands) => {
      const store = await open();
      await fc.asyncModelRun(
        async () => ({ model: { objects: new Map(), tags: [] }, real: store }),
        commands,
      );
    }),
    { numRuns },
  );
}
