import { describe, expect, it } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import type { Entry } from '../../src/manifest/entry.ts';
import { compareEntry, compareWithTarget } from '../../src/transfer/compare.ts';
import { createMemoryContentStore } from '../support/memory-stores/memory-content-store.ts';
import { entryOf } from '../manifest/arbitrary-tree.ts';
import {
  codeOf,
  directory,
  file,
  putTree,
  symlink,
  transferOf,
  type Item,
} from '../suites/staged-transfer.ts';

const there: Entry = entryOf('file', 'f', { sizeBytes: 5, mtimeNs: 5000n });
const link: Entry = entryOf('symlink', 'l', { mtimeNs: 5000n });
const folder: Entry = entryOf('directory', 'd', { mtimeNs: 5000n });

describe('comparing an entry', () => {
  it.each([
    ['same', 'itself', there, there],
    ['attributes', 'another mode', { ...there, mode: 0o600 }, there],
    ['candidate', 'another mtime', { ...there, mtimeNs: 6000n }, there],
    ['candidate', 'another mtime and mode', { ...there, mtimeNs: 4000n, mode: 0 }, there],
    ['same', 'an mtime that the store cannot tell apart', { ...there, mtimeNs: 5999n }, there],
    ['same', 'an mtime as close on the other side', { ...there, mtimeNs: 4001n }, there],
    ['different', 'another size', { ...there, sizeBytes: 6 }, there],
    ['different', 'another type', link, { ...there, path: 'l' }],
    ['different', 'a stream, whatever is there', entryOf('stream', 'f'), there],
    ['same', 'the same directory', folder, folder],
    ['attributes', 'a directory of another time', { ...folder, mtimeNs: 0n }, folder],
    ['attributes', 'a directory of another mode', { ...folder, mode: 0o700 }, folder],
    ['same', 'the same symlink', link, link],
    ['attributes', 'a symlink of another time', { ...link, mtimeNs: 0n }, link],
    ['different', 'a symlink to elsewhere', { ...link, linkTarget: 'elsewhere' }, link],
  ] as const)('an entry compares as %s with %s', (outcome, _what, wanted, found) => {
    expect(compareEntry(wanted, found, 1000n)).toBe(outcome);
  });
});

describe('comparing a manifest', () => {
  async function compare(before: readonly Item[], wanted: readonly Item[]) {
    const store = createMemoryContentStore();
    if (before.length > 0) await putTree(store, 't', before);
    const { manifest } = transferOf(store, 't', wanted);
    const plan = await compareWithTarget(store, 't', manifest);
    const names = (runs: readonly number[]): string[] =>
      [...ChunkSet.fromRuns(runs, manifest.entries.length).values()].map((index) =>
        manifest.entries.pathOf(index),
      );
    return { have: names(plan.have), attributes: names(plan.attributes), candidates: names(plan.candidates) };
  }

  it('comparing with a target that is not there takes one look-up', async () => {
    const store = createMemoryContentStore();
    const asked: (readonly string[])[] = [];
    const noting: typeof store = {
      ...store,
      atOneMoment: async () => noting,
      lookup: (paths, ...others) => {
        asked.push(paths);
        return store.lookup(paths, ...others);
      },
    };
    const { manifest } = transferOf(store, 't', [directory(''), directory('d'), file('d/f', 'x')]);
    for (const mayReplace of [false, true]) await compareWithTarget(noting, 't', manifest, { mayReplace });
    expect(asked).toEqual([['t'], ['t']]);
  });

  it('a manifest has nothing in common with a target that is not there', async () => {
    expect(await compare([], [directory(''), file('a', 'x'), symlink('l', 'a')])).toEqual({
      have: [],
      attributes: [],
      candidates: [],
    });
  });

  it('a manifest has everything in common with a target that has not changed', async () => {
    const items = [directory(''), directory('d'), file('d/a', 'x'), symlink('l', 'a')];
    expect(await compare(items, items)).toEqual({
      have: ['', 'd', 'd/a', 'l'],
      attributes: [],
      candidates: [],
    });
  });

  it('a comparison separates what is there, what needs attributes, and what only its digest can tell', async () => {
    const before = [
      directory(''),
      file('grown', 'x'),
      file('mode', 'x'),
      file('same', 'x'),
      file('time', 'x'),
      symlink('was-link', 'x'),
    ];
    const wanted = [
      directory('', { mode: 0o700 }),
      file('grown', 'xx'),
      file('mode', 'x', { mode: 0o600 }),
      file('new', 'x'),
      file('same', 'x'),
      file('time', 'y', { mtimeNs: 7n }),
      file('was-link', 'x'),
    ];
    expect(await compare(before, wanted)).toEqual({
      have: ['', 'mode', 'same'],
      attributes: ['', 'mode'],
      candidates: ['time'],
    });
  });

  it('a manifest of more entries than one lookup takes is compared whole', async () => {
    const items = Array.from({ length: 2500 }, (_, n) => file(`f${n}`, `${n}`));
    const { have } = await compare([directory(''), ...items.filter((_, n) => n % 2 === 0)], items);
    expect(have).toHaveLength(1250);
    expect(have.every((path) => Number(path.slice(1)) % 2 === 0)).toBe(true);
  });

  it('a comparison takes an entry of another type for different, and all below it', async () => {
    const tree = [directory(''), directory('x'), file('x/y', '1')];
    const rootOnly = { have: [''], attributes: [], candidates: [] };
    expect(await compare([directory(''), file('x', '1')], tree)).toEqual(rootOnly);
    expect(await compare([directory(''), symlink('x', '.')], tree)).toEqual(rootOnly);
    expect(await compare(tree, [directory(''), file('x', '1')])).toEqual(rootOnly);
    expect(await compare(tree, [directory(''), symlink('x', '1')])).toEqual(rootOnly);
  });

  it('a comparison refuses an entry of another type at the target itself', async () => {
    const tree = [directory(''), directory('x'), file('x/y', '1')];
    expect(await codeOf(() => compare(tree, [file('', '1')]))).toBe('is-directory');
    expect(await codeOf(() => compare([file('', '1')], tree))).toBe('not-directory');
  });
});
