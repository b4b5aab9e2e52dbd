import { describe, expect, it } from 'vitest';
import type { SharedMemory } from '../../src/storage/state/shared-memory.ts';

/** Opens the memories of several nodes of one store. */
export type MakeMemories = (nodes: number) => Promise<readonly SharedMemory[]>;

type Rung = (readonly string[] | undefined)[];

/** Listens, and resolves once the node hears everything that is rung from now on. */
async function hear(memory: SharedMemory, ringer: SharedMemory): Promise<Rung> {
  const rung: Rung = [];
  memory.listen((keys) => rung.push(keys));
  await expect
    .poll(async () => {
      await ringer.ring(['first']);
      return rung.some((keys) => keys?.includes('first'));
    })
    .toBe(true);
  rung.length = 0;
  return rung;
}

const withoutFirst = (rung: Rung): Rung => rung.filter((keys) => keys?.includes('first') !== true);

/** What every memory of nodes must do, as vitest tests. */
export function sharedMemorySuite(name: string, make: MakeMemories): void {
  describe(name, () => {
    it('rings at the other nodes, and not at the one that rings', async () => {
      const [one, other, third] = await make(3);
      const heard = [await hear(one!, other!), await hear(other!, one!), await hear(third!, one!)];
      for (const rung of heard) rung.length = 0;
      await one!.ring(['a/tokens', 's/1']);
      await expect.poll(() => withoutFirst(heard[1]!)).toEqual([['a/tokens', 's/1']]);
      await expect.poll(() => withoutFirst(heard[2]!)).toEqual([['a/tokens', 's/1']]);
      expect(withoutFirst(heard[0]!)).toEqual([]);
    });

    it('rings at every listener of a node until that one has ended', async () => {
      const [one, other] = await make(2);
      const rung = await hear(one!, other!);
      const second: Rung = [];
      const stop = one!.listen((keys) => second.push(keys));
      await other!.ring(['x']);
      await expect.poll(() => withoutFirst(second)).toEqual([['x']]);
      stop();
      await other!.ring(['y']);
      await expect.poll(() => withoutFirst(rung)).toEqual([['x'], ['y']]);
      expect(withoutFirst(second)).toEqual([['x']]);
    });

    it('counts over all nodes, each key by itself, and tells when the window ends', async () => {
      const [one, other] = await make(2);
      const counted = await Promise.all([one!, other!, one!, other!].map((node) => node.count('k', 60_000)));
      expect(counted.map((each) => each?.count).toSorted((a = 0, b = 0) => a - b)).toEqual([1, 2, 3, 4]);
      expect(await one!.count('other', 60_000)).toMatchObject({ count: 1 });
      const leftMs = (await other!.count('k', 60_000))?.leftMs ?? 0;
      expect(leftMs).toBeGreaterThan(0);
      expect(leftMs).toBeLessThanOrEqual(60_000);
    });

    it('keeps the highest version that any node has noted', async () => {
      const [one, other] = await make(2);
      expect(await one!.versionOf('s')).toBeUndefined();
      await one!.noteVersion('s', 7);
      await other!.noteVersion('s', 6);
      expect([await one!.versionOf('s'), await other!.versionOf('s')]).toEqual([7, 7]);
      await other!.noteVersion('s', 8);
      expect(await one!.versionOf('s')).toBe(8);
    });

    it('answers each node what others have appended before, once, and never its own', async () => {
      const [one, other, third] = await make(3);
      expect(await one!.append('a')).toEqual([]);
      expect(await other!.append('b')).toEqual(['a']);
      expect(await one!.append('c')).toEqual(['b']);
      expect(await third!.append('d with blanks')).toEqual(['a', 'b', 'c']);
      expect(await other!.append('e')).toEqual(['c', 'd with blanks']);
    });

    it('puts what nodes append at the same time into one order', async () => {
      const nodes = await make(4);
      const seen = await Promise.all(nodes.map((node, index) => node.append(`text ${index}`)));
      // The first saw nobody, the second the first, and so on.
      expect(seen.map((each) => each?.length ?? -1).toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    });
  });
}
