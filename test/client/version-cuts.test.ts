import { writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { compareBlocks, assemblyOf, MAX_GRAINS } from '../../src/client/transfer/compare-versions.ts';
import { type CutGuides, createCutGuides } from '../../src/client/transfer/cut-guides.ts';
import { localCuts, remoteCuts, type VersionCuts } from '../../src/client/transfer/version-cuts.ts';
import { keepingCuts } from '../../src/client/pull/pull-versions.ts';
import { forgetOlderCuts, keepPublishedCuts } from '../../src/storage/state/published-cuts.ts';
import type { SessionClient } from '../../src/client/session/session-client.ts';
import { rangesInOrder } from '../../src/manifest/assembly.ts';
import { encodeBlocks } from '../../src/manifest/cut-codec.ts';
import { DIGEST_ALGORITHMS, type DigestAlgorithm } from '../../src/manifest/digest.ts';
import { createManifest } from '../../src/manifest/manifest.ts';
import { openLocalDisk } from '../../src/storage/disk/local-disk.ts';
import { type KeptCuts, openKeptCuts } from '../../src/storage/state/kept-cuts.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { arbitraryFile } from '../manifest/arbitrary-file.ts';
import { noise } from '../suites/staged-transfer.ts';

const { signal } = new AbortController();
const ENTRY = new ChunkSet();
ENTRY.add(0);

/** Cuts a file in memory. */
function cutsOf(
  content: Buffer,
  areNewer: boolean,
  digest: DigestAlgorithm = 'xxh64',
  guides?: CutGuides,
): Promise<VersionCuts> {
  async function* read(_path: string, { from, to }: { from: number; to: number }) {
    for (let at = from; at < to; at += 60_000) yield content.subarray(at, Math.min(at + 60_000, to));
  }
  const file = { store: { read }, path: '', sizeBytes: content.length };
  return localCuts({ digest, signal, areNewer, guides, find: async () => file });
}

/** A server that answers with these records. */
function answering(records: Buffer): Pick<SessionClient, 'run'> {
  return { run: (async () => new Map([[0, records]])) as SessionClient['run'] };
}

function remoteOf(records: Buffer, sizeBytes: number, digest: DigestAlgorithm = 'xxh64'): VersionCuts {
  return remoteCuts({ session: answering(records) as SessionClient, digest, sizeOf: () => sizeBytes });
}

async function blocksIn(cuts: VersionCuts) {
  return (await cuts.blocksOf(ENTRY)).get(0);
}

describe('the guides of files', () => {
  it('what the server tells of a file that is cut already is not kept', async () => {
    const content = noise(1_000_000, 'told');
    const cuts = await blocksIn(await cutsOf(content, false));
    const guides = createCutGuides('xxh64');
    guides.drop(0);
    for (const entry of [0, 1]) guides.take(entry, 0, encodeBlocks(cuts!.recipe));
    guides.end();
    const told = [0, 1].map((entry) => guides.guideOf(entry).expect(0, content.length));
    expect(told).toEqual([
      undefined,
      expect.objectContaining({ lengthBytes: cuts!.recipe.blocks.lengths[0] }),
    ]);
  });
});

describe('two versions of a file', () => {
  it('two versions of a file give ranges that make the newer one of its carried bytes and the older one', async () => {
    const property = async (older: Buffer, newer: Buffer): Promise<void> => {
      const [news, olds] = [await cutsOf(newer, true), await cutsOf(older, false)];
      const [cuts, old] = [await blocksIn(news), await blocksIn(olds)];
      const compared = compareBlocks({ ...cuts!, checks: cuts!.checks! }, old!.recipe, {
        grains: MAX_GRAINS,
      });
      const { refined } = compared;
      const grains = {
        newer: (await news.grainsOf([{ entry: 0, blocks: refined.newer }])).get(0)!,
        older: (await olds.grainsOf([{ entry: 0, blocks: refined.older }])).get(0)!,
      };
      const assembly = assemblyOf(compared, refined.numbers.length === 0 ? undefined : grains);
      const pieces: Buffer[] = [];
      let at = 0;
      for (const { isCarried, from, lengthBytes } of rangesInOrder(assembly)) {
        const [source, start] = isCarried ? [newer, at] : [older, from];
        pieces.push(source.subarray(start, start + lengthBytes));
        at += lengthBytes;
      }
      expect(Buffer.concat(pieces).equals(newer)).toBe(true);
    };
    const base = noise(600_000, 'base');
    await property(base, Buffer.concat([Buffer.from('in front'), base]));
    await property(base, Buffer.concat([base.subarray(0, 300_000), base.subarray(300_007)]));
    const files = fc
      .tuple(arbitraryFile, arbitraryFile)
      .filter((both) => both.every(({ length }) => length > 0));
    await fc.assert(
      fc.asyncProperty(files, ([older, newer]) => property(older, newer)),
      { numRuns: 20 },
    );
  });

  it('two versions are compared by blocks alone where grains cannot save what their ids cost', async () => {
    const old = noise(1_000_000, 'old');
    const cuts = await blocksIn(await cutsOf(Buffer.concat([old, noise(40_000_000, 'more')]), true));
    const older = await blocksIn(await cutsOf(old, false));
    const budget = { grains: MAX_GRAINS };
    const { refined } = compareBlocks({ ...cuts!, checks: cuts!.checks! }, older!.recipe, budget);
    expect([refined.numbers, refined.newer, refined.older]).toEqual([[], [], []]);
    expect(budget.grains).toBe(MAX_GRAINS);
  });

  it('blocks that have room for grains are compared by grains, though not all of them have room', async () => {
    const old = noise(10_000_000, 'old');
    const changed = Buffer.from(old);
    for (let at = 5000; at < changed.length; at += 50_000) changed.fill('new', at, at + 100);
    const cuts = await blocksIn(await cutsOf(changed, true));
    const older = await blocksIn(await cutsOf(old, false));
    const budget = { grains: 1000 };
    const { refined } = compareBlocks({ ...cuts!, checks: cuts!.checks! }, older!.recipe, budget);
    const bytes = [refined.newer, refined.older].map((blocks) =>
      blocks.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0),
    );
    for (const each of bytes) expect([each > 700_000, each <= 500 * 2048]).toEqual([true, true]);
    expect(budget.grains).toBeLessThan(300);
  });
});

describe('local files whose other versions are told meanwhile', () => {
  const content = noise(2_000_000, 'content');

  it('a file that is cut by its other version has the blocks that it has alone, and waits for no file that is not told', async () => {
    const alone = await blocksIn(await cutsOf(content, true));
    const guides = createCutGuides('xxh64');
    const [told, untold] = [cutsOf(content, true, 'xxh64', guides), cutsOf(content, true, 'xxh64', guides)];
    const files = new ChunkSet();
    for (const entry of [0, 3]) files.add(entry);
    const cutting = Promise.all([(await told).blocksOf(ENTRY), (await untold).blocksOf(files)]);
    const records = encodeBlocks(alone!.recipe);
    guides.take(1, 0, records);
    guides.take(3, 0, records.subarray(0, 50));
    guides.take(3, 50, records.subarray(50));
    guides.end();
    const [one, both] = await cutting;
    expect([one.get(0), both.get(0), both.get(3)]).toEqual([alone, alone, alone]);
  });

  it('what a server tells that cannot be blocks does not change the blocks of a file here', async () => {
    const guides = createCutGuides('xxh64', () => content.length);
    guides.take(0, 0, noise(100_000, 'no records'));
    guides.end();
    const cuts = await blocksIn(await cutsOf(content, false, 'xxh64', guides));
    expect(cuts!.recipe).toEqual((await blocksIn(await cutsOf(content, false)))!.recipe);
  });
});

describe('answers about a newer version', () => {
  const content = noise(1_000_000, 'newer');

  it.each(DIGEST_ALGORITHMS)(
    'the blocks and checks of a newer version are read as the server cut them: %s',
    async (digest) => {
      const cuts = await blocksIn(await cutsOf(content, true, digest));
      const records = Buffer.concat([encodeBlocks(cuts!.recipe), cuts!.checks!.blocks.ids]);
      const read = await blocksIn(remoteOf(records, content.length, digest));
      expect(read!.recipe.blocks.ids.equals(cuts!.recipe.blocks.ids)).toBe(true);
      expect(read!.checks).toEqual(cuts!.checks);
    },
  );

  it('a newer version that the server could not read to its end counts for nothing', async () => {
    const cuts = await blocksIn(await cutsOf(content, true));
    const half = encodeBlocks(cuts!.recipe, 0, Math.floor(cuts!.recipe.blocks.count / 2));
    expect(await blocksIn(remoteOf(half, content.length))).toBeUndefined();
  });

  it('blocks of a newer version that do not fit the size in the manifest are refused', async () => {
    const cuts = await blocksIn(await cutsOf(content, true));
    const records = Buffer.concat([encodeBlocks(cuts!.recipe), cuts!.checks!.blocks.ids]);
    await expect(blocksIn(remoteOf(records, content.length - 1))).rejects.toMatchObject({
      code: 'invalid-request',
    });
  });

  it('an answer about a newer version that is too short or too long counts as no blocks', async () => {
    const tooLong = Buffer.alloc(19 * 2 ** 16);
    for (const records of [Buffer.alloc(0), Buffer.alloc(8), tooLong])
      expect(await blocksIn(remoteOf(records, content.length))).toBeUndefined();
  });

  it('an answer with grains of other blocks than were asked about counts as no grains', async () => {
    const wanted = [{ entry: 0, blocks: [{ offset: 0, lengthBytes: 20_000 }] }];
    for (const records of [Buffer.alloc(0), Buffer.alloc(10), Buffer.alloc(7), Buffer.alloc(100_000, 1)])
      expect(await remoteOf(records, content.length).grainsOf(wanted)).toEqual(new Map());
  });
});

describe('recipes of local files', () => {
  const content = noise(17 * 1024 * 1024, 'large');

  /** Cuts a file of this identity, and counts how often it is read. */
  async function cutOnce(kept: KeptCuts, areNewer: boolean, identity: string) {
    const reads = { count: 0 };
    async function* read() {
      reads.count += 1;
      yield content;
    }
    const file = { store: { read }, path: '', sizeBytes: content.length, identity };
    const cuts = await localCuts({ digest: 'xxh64', signal, areNewer, kept, find: async () => file });
    const found = await blocksIn(cuts);
    return { cuts: found, after: reads.count };
  }

  it('a kept recipe is used while the file has the same identity, and has checks if they are needed', async () => {
    const kept = openKeptCuts(path.join(temporaryDirectory(), 'cuts'));
    const older = await cutOnce(kept, false, 'one');
    const again = await cutOnce(kept, false, 'one');
    const newer = await cutOnce(kept, true, 'one');
    const other = await cutOnce(kept, true, 'two');
    const last = await cutOnce(kept, true, 'one');
    expect([older, again, newer, other, last].map(({ after }) => after)).toEqual([1, 0, 1, 1, 0]);
    expect(again.cuts!.recipe.blocks.ids.equals(older.cuts!.recipe.blocks.ids)).toBe(true);
    expect([again.cuts!.checks, last.cuts!.checks]).toEqual([undefined, newer.cuts!.checks]);
  });

  it('the recipe of a file that a pull has published is kept, from what the server told', async () => {
    const root = temporaryDirectory();
    const store = await openLocalDisk(root);
    onTestFinished(() => store.close());
    writeFileSync(path.join(root, 'file'), content);
    const [found] = await store.lookup(['file']);
    const manifest = createManifest({ chunkSizeBytes: 65_536, digest: 'xxh64' }, [
      { ...found!.entry, path: '' },
    ]);
    const kept = openKeptCuts(path.join(temporaryDirectory(), 'cuts'));
    const told = (await cutOnce(kept, true, 'at the server')).cuts!;
    const newer = keepingCuts(
      { blocksOf: async () => new Map([[0, told]]), grainsOf: async () => new Map() },
      kept,
      { digest: 'xxh64' },
    );
    await newer.blocksOf(ENTRY);
    const parts = new Map([[0, { recipe: told.checks!, carried: [], copied: [] }]]);
    const published = { store, target: 'file', manifest };
    await keepPublishedCuts(kept, published, parts);
    const subject = { name: found!.identity, digest: 'xxh64', sizeBytes: content.length } as const;
    expect((await kept.find(subject))?.recipe.blocks.ids.equals(told.recipe.blocks.ids)).toBe(true);
    await forgetOlderCuts(kept, published, [0]);
    expect(await kept.find(subject)).toBeUndefined();
    writeFileSync(path.join(root, 'file'), 'another');
    const [other] = await store.lookup(['file']);
    await keepPublishedCuts(kept, published, parts);
    expect(await kept.find({ ...subject, name: other!.identity })).toBeUndefined();
  });
});
