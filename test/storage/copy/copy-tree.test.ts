/** Copies of whole trees between a disk and a store of objects. */
import { chownSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CairnError } from '../../../src/base/errors.ts';
import type { ContentStore } from '../../../src/storage/content-store.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import type { ObjectStore } from '../../../src/storage/objects/object-store.ts';
import { scanAll } from '../../suites/expected-tree.ts';
import { pictureOf, temporaryDirectory } from '../../support/trees.ts';
import { stepping } from '../object-content/stepping.ts';
import { Crash, LARGE_BYTES, mortal, openRoot, runCopy, treeOf, writeTree } from './copy-scene.ts';

/** Counts puts of content. */
function counting(objects: ObjectStore): { readonly store: ObjectStore; puts: number } {
  const counted = {
    puts: 0,
    store: stepping(objects, (kind, key) => {
      if (kind === 'put' && key.startsWith('c/')) counted.puts += 1;
    }),
  };
  return counted;
}

/** A store with other functions in place of some. */
function over(store: ContentStore, functions: Partial<ContentStore>): ContentStore {
  return new Proxy(store, {
    get: (target, name) => {
      const own: unknown = Reflect.get(functions, name) ?? Reflect.get(target, name);
      return typeof own === 'function' && !(name in functions) ? (own.bind(target) as unknown) : own;
    },
  });
}

async function entriesOf(store: ContentStore): Promise<unknown[]> {
  const { found } = await scanAll(store, '');
  // The times of a root are those of what the server keeps in it.
  return found.filter(({ entry }) => entry.path !== '').map(({ entry }) => entry);
}

test('a tree that goes to objects and back to another disk is the same there, with modes and times', async () => {
  const root = writeTree();
  const objects = createMemoryObjects();
  const first = await runCopy(await openRoot(root), treeOf(objects));
  expect(first).toMatchObject({ entries: 16, leftOut: [] });
  expect(first.bytesCopied).toBeGreaterThan(LARGE_BYTES);
  const back = temporaryDirectory();
  await runCopy(treeOf(objects), await openRoot(back));
  // The root itself stays as its owner made it.
  const isCopied = ([name]: [string, string]): boolean => name !== '' && !name.startsWith('.cairn');
  const picture = (at: string): [string, string][] => Object.entries(pictureOf(at)).filter(isCopied);
  expect(picture(back)).toEqual(picture(root));
  expect(await entriesOf(await openRoot(back))).toEqual(await entriesOf(await openRoot(root)));
});

test.skipIf(process.getuid?.() !== 0)(
  'owners come back from objects, and the server of these tells nothing of them (skipped without root)',
  async () => {
    const root = writeTree();
    chownSync(path.join(root, 'a/b/2'), 4321, 1234);
    const objects = createMemoryObjects();
    await runCopy(await openRoot(root), treeOf(objects));
    const back = temporaryDirectory();
    await runCopy(treeOf(objects), await openRoot(back));
    const { uid, gid } = statSync(path.join(back, 'a/b/2'));
    expect([uid, gid]).toEqual([4321, 1234]);
    const { createObjectContent } = await import('../../../src/storage/object-content/object-content.ts');
    const { found } = await scanAll(createObjectContent(objects), '');
    expect(found.filter(({ entry }) => entry.metadata !== undefined)).toEqual([]);
  },
);

test('a second copy carries nothing, and a later one only what has changed, and removes what is gone', async () => {
  const root = writeTree();
  const counted = counting(createMemoryObjects());
  const to = treeOf(counted.store);
  await runCopy(await openRoot(root), to);
  const puts = counted.puts;
  const again = await runCopy(await openRoot(root), to);
  expect([counted.puts, again.bytesCopied]).toEqual([puts, 0]);
  expect(again.bytesThere).toBeGreaterThan(LARGE_BYTES);
  rmSync(path.join(root, 'a/b'), { recursive: true });
  writeFileSync(path.join(root, 'empty/new'), 'new');
  const later = await runCopy(await openRoot(root), to);
  expect(later.bytesCopied).toBe(3);
  expect(await entriesOf(to)).toEqual(await entriesOf(await openRoot(root)));
});

test('a copy into objects that dies at any request goes on, and puts no chunk twice that was there', async () => {
  const root = writeTree();
  const from = await openRoot(root);
  const whole = counting(createMemoryObjects());
  await runCopy(from, treeOf(whole.store));
  const wanted = await entriesOf(treeOf(whole.store));
  let deaths = 0;
  for (let deadly = 1; ; deadly += 7) {
    const objects = createMemoryObjects();
    const died = await runCopy(from, treeOf(mortal(objects, deadly))).catch((error: unknown) => error);
    if (!(died instanceof Error)) break;
    expect(died, String(died)).toBeInstanceOf(Crash);
    deaths += 1;
    const there = await chunkCount(objects);
    const rest = await runCopy(from, treeOf(objects));
    expect(await entriesOf(treeOf(objects))).toEqual(wanted);
    // What was there is still there, and no chunk lies beside it a second time.
    const total = Math.max(there, await chunkCount(whole.store));
    expect([await chunkCount(objects), rest.leftOut], `died at ${deadly}`).toEqual([total, []]);
  }
  expect(deaths).toBeGreaterThan(10);
});

async function chunkCount(objects: ObjectStore): Promise<number> {
  let chunks = 0;
  for await (const { key } of objects.list('c/')) if (/\/\d+-[0-9a-f]{64}-/.test(key)) chunks += 1;
  return chunks;
}

test('a copy from objects to a disk that dies at any read goes on to the same tree', async () => {
  const root = writeTree();
  const objects = createMemoryObjects();
  await runCopy(await openRoot(root), treeOf(objects));
  const wanted = await entriesOf(await openRoot(root));
  let deaths = 0;
  for (let deadly = 1; ; deadly += 5) {
    const back = temporaryDirectory();
    const died = await runCopy(treeOf(mortal(objects, deadly)), await openRoot(back)).catch(
      (error: unknown) => error,
    );
    if (!(died instanceof Error)) break;
    deaths += 1;
    await runCopy(treeOf(objects), await openRoot(back));
    expect(await entriesOf(await openRoot(back))).toEqual(wanted);
  }
  expect(deaths).toBeGreaterThan(2);
});

test('a file that cannot be read is named and left out, and the others arrive', async () => {
  const disk = await openRoot(writeTree());
  const from = over(disk, {
    read: (name, ...rest) => {
      if (name === 'a/b/5') throw new CairnError('source-unreadable', 'a bad block');
      return disk.read(name, ...rest);
    },
  });
  const to = treeOf(createMemoryObjects());
  const { leftOut } = await runCopy(from, to);
  expect(leftOut).toEqual([['a/b/5', 'source-unreadable']]);
  const names = (await scanAll(to, 'a/b')).found.map(({ entry }) => entry.path);
  expect(names).toEqual(['', '0', '1', '2', '3', '4', '6', '7', '8']);
});

test('a store that gives other bytes back than it took ends the copy, and nothing of the batch is published', async () => {
  const objects = createMemoryObjects();
  const broken: ObjectStore = {
    ...objects,
    get: async (key, ...rest) => {
      const found = await objects.get(key, ...rest);
      if (found === undefined || found === 'unchanged' || !/\/0-[0-9a-f]{64}-/.test(key)) return found;
      async function* flipped(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
        for await (const piece of bytes) yield piece.map((byte) => byte ^ 1);
      }
      return { ...found, bytes: flipped(found.bytes) };
    },
  };
  const copying = runCopy(await openRoot(writeTree()), treeOf(broken), 1000);
  await expect(copying).rejects.toMatchObject({ code: 'verify-failed' });
  expect(await entriesOf(treeOf(objects))).toEqual([]);
});

test('a tree that is larger than the room at the target is refused before anything is copied', async () => {
  const disk = await openRoot(temporaryDirectory());
  const full = over(disk, {
    space: async () => ({ freeBytes: 1000, totalBytes: 2000 }),
    openStaging: () => expect.unreachable('nothing may be staged'),
  });
  const copying = runCopy(await openRoot(writeTree()), full);
  await expect(copying).rejects.toMatchObject({ code: 'storage-full' });
});
