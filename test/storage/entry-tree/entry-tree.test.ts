import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import { comparePaths } from '../../../src/base/safe-path.ts';
import { applyChanges } from '../../../src/storage/entry-tree/apply-changes.ts';
import type { PageRef } from '../../../src/storage/entry-tree/branch-codec.ts';
import type { TreeChange } from '../../../src/storage/entry-tree/change-merge.ts';
import { createPageCache } from '../../../src/storage/entry-tree/page-cache.ts';
import { createPageReader } from '../../../src/storage/entry-tree/page-reader.ts';
import { createPageWriter } from '../../../src/storage/entry-tree/page-writer.ts';
import { isBelow, type TreeEntry } from '../../../src/storage/entry-tree/tree-entry.ts';
import { openTree } from '../../../src/storage/entry-tree/tree-reader.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { collect } from '../../suites/staged-transfer.ts';
import { changeTree, entriesOf, leafDirectory, leafFile, puts } from './trees.ts';

/** Few names, so that changes meet; some make directories of each other. */
const path = fc
  .array(fc.constantFrom('a', 'a-b', 'a.b', 'b', 'é', '\uff5e', '😀', '0', 'n1', 'n2', 'n3'), {
    minLength: 1,
    maxLength: 4,
  })
  .map((names) => names.join('/'));
const manyPaths = fc
  .tuple(fc.integer({ min: 0, max: 30_000 }), fc.integer({ min: 0, max: 1500 }))
  .map(([from, count]) => Array.from({ length: count }, (_, n) => `d${(from + n) % 7}/f${(from + n) * 31}`));

const changes = fc.array(
  fc.record({
    path,
    kind: fc.constantFrom('put', 'put', 'put', 'remove', 'drop', 'replace' as const),
    content: fc.constantFrom('x', 'y', 'z'),
  }),
  { maxLength: 40 },
);

type Model = Map<string, TreeEntry>;

function applyToModel(model: Model, change: TreeChange): void {
  if (change.dropsBelow === true)
    for (const each of model.keys()) if (isBelow(each, change.path)) model.delete(each);
  if (change.entry === undefined) model.delete(change.path);
  else if (change.entry !== 'kept') model.set(change.path, change.entry);
}

const sortedOf = (model: Model): TreeEntry[] =>
  [...model.values()].toSorted((a, b) => comparePaths(a.entry.path, b.entry.path));

async function faultOf(doing: () => Promise<unknown>): Promise<[code?: string, key?: unknown]> {
  try {
    await doing();
    return [];
  } catch (error) {
    return error instanceof CairnError ? [error.code, error.details['key']] : [String(error)];
  }
}

describe('entry trees', () => {
  it('an entry tree has the entries that changes leave, and the id of a tree made of them at once', async () => {
    await fc.assert(
      fc.asyncProperty(manyPaths, fc.array(changes, { maxLength: 5 }), async (many, rounds) => {
        const objects = createMemoryObjects();
        const model: Model = new Map();
        let root: PageRef | undefined;
        const step = async (batch: readonly TreeChange[]): Promise<void> => {
          const once = [...new Map(batch.map((change) => [change.path, change])).values()];
          once.sort((a, b) => comparePaths(a.path, b.path));
          for (const change of once) applyToModel(model, change);
          root = await changeTree(objects, root, once);
        };
        await step(puts(many.map((each) => leafFile(each))));
        for (const round of rounds) {
          await step(
            round.map(({ path: at, kind, content }): TreeChange => {
              if (kind === 'put') return { path: at, entry: leafFile(at, content) };
              if (kind === 'remove') return { path: at, entry: undefined };
              if (kind === 'drop') return { path: at, entry: 'kept', dropsBelow: true };
              return { path: at, entry: leafFile(at, content), dropsBelow: true };
            }),
          );
        }
        expect(await entriesOf(objects, root)).toEqual(sortedOf(model));
        const atOnce = await changeTree(createMemoryObjects(), undefined, puts(sortedOf(model)));
        expect(root?.id).toBe(atOnce?.id);
        expect(root?.entries ?? 0).toBe(model.size);
      }),
      { numRuns: 25 },
    );
  });

  it('an entry tree finds every path and lists every directory that its entries have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(path, { maxLength: 60 }), manyPaths, async (paths, many) => {
        const objects = createMemoryObjects();
        const all = [...new Set([...paths, ...many])].map((each) => leafFile(each, each));
        const root = await changeTree(objects, undefined, puts(all));
        const tree = openTree(createPageReader(objects, createPageCache()), root);
        for (const each of [...paths, 'none', 'a/none', '', 'zzz']) {
          const wanted = all.find(({ entry }) => entry.path === each);
          expect(await tree.find(each)).toEqual(wanted);
          const below = all.map(({ entry }) => entry.path).filter((other) => isBelow(other, each));
          const direct: string[] = [];
          for await (const { entry } of tree.childrenOf(each)) direct.push(entry.path);
          // A child is the first of all that begin with its name.
          const firsts = below
            .toSorted(comparePaths)
            .filter((other, _, list) => list.find((one) => one === other || isBelow(other, one)) === other);
          expect(direct).toEqual(firsts);
          const found: string[] = [];
          for await (const { entry } of tree.below(each)) found.push(entry.path);
          expect(found).toEqual(below.toSorted(comparePaths));
        }
      }),
      { numRuns: 12 },
    );
  });

  it('a change of one entry among 30,000 reads and writes a few pages of the entry tree', async () => {
    const inner = createMemoryObjects();
    const entries = Array.from({ length: 30_000 }, (_, n) => leafFile(`d${n % 100}/file ${n}`, 'x'));
    const root = await changeTree(inner, undefined, puts(entries));
    let gets = 0;
    let bytes = 0;
    const objects: typeof inner = {
      ...inner,
      get: (...asked) => {
        gets += 1;
        return inner.get(...asked);
      },
      put: (key, body, options) => {
        bytes += body instanceof Uint8Array ? body.byteLength : body.sizeBytes;
        return inner.put(key, body, options);
      },
    };
    const changed = await changeTree(objects, root, puts([leafFile('d7/file 15007', 'y')]));
    expect(changed?.id).not.toBe(root?.id);
    expect(gets).toBeLessThan(8);
    expect(bytes).toBeLessThan(100_000);
    const back = await changeTree(objects, changed, puts([leafFile('d7/file 15007', 'x')]));
    expect(back?.id).toBe(root?.id);
  });

  it('a change that changes nothing writes no page of the entry tree', async () => {
    const objects = createMemoryObjects();
    const entries = [leafDirectory('d'), ...Array.from({ length: 3000 }, (_, n) => leafFile(`d/${n}`, 'x'))];
    const root = await changeTree(objects, undefined, puts(entries));
    const same = await changeTree(
      { ...objects, put: async () => expect.unreachable() },
      root,
      puts([entries[1]!, entries[700]!]),
    );
    expect(same).toEqual(root);
  });

  it('the entry tree drops a directory of many entries without reading what is in it', async () => {
    const inner = createMemoryObjects();
    const entries = Array.from({ length: 30_000 }, (_, n) =>
      leafFile(`${n < 500 || n > 29_500 ? n : 'd'}/${n}`),
    );
    const root = await changeTree(inner, undefined, puts(entries));
    let gets = 0;
    const objects: typeof inner = {
      ...inner,
      get: (...asked) => {
        gets += 1;
        return inner.get(...asked);
      },
    };
    const rest = await changeTree(objects, root, [{ path: 'd', entry: undefined, dropsBelow: true }]);
    expect(rest?.entries).toBe(999);
    expect(gets).toBeLessThan(20);
  });

  it('the entry tree reports a page that is damaged, short or gone by the name of its object', async () => {
    const objects = createMemoryObjects();
    const entries = Array.from({ length: 2000 }, (_, n) => leafFile(`d/${n}`));
    const root = await changeTree(objects, undefined, puts(entries));
    const { key } = root!.place;
    const found = await objects.get(key);
    const whole = found === undefined || found === 'unchanged' ? Buffer.alloc(0) : await collect(found.bytes);
    for (let at = 0; at < whole.byteLength; at += 997) {
      const broken = Buffer.from(whole);
      broken[at]! ^= 1;
      await objects.put(key, broken);
      // A place of a page is no part of its id; a wrong one leads to bytes with another id, or to none.
      const [code, named] = await faultOf(() => entriesOf(objects, root));
      expect(['storage-io', key]).toEqual([code, named]);
    }
    await objects.put(key, whole.subarray(0, whole.byteLength - 5));
    expect(await faultOf(() => entriesOf(objects, root))).toEqual(['storage-io', key]);
    await objects.remove([key]);
    expect(await faultOf(() => entriesOf(objects, root))).toEqual(['storage-io', key]);
  });

  it('the entry tree refuses changes that are out of order', async () => {
    const objects = createMemoryObjects();
    const root = await changeTree(objects, undefined, puts([leafFile('a')]));
    const pages = createPageReader(objects, createPageCache());
    const writer = createPageWriter(objects, 'c/o/x/');
    await expect(
      applyChanges({ pages, writer }, root, [puts([leafFile('c'), leafFile('b')])]),
    ).rejects.toMatchObject({ code: 'internal' });
  });
});
