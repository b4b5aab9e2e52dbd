/** A pull of parts, by hand: what a server tells of its sources, and which bytes it then sends. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeBlocks, encodeGrains } from '../../src/manifest/cut-codec.ts';
import { loadCutIds } from '../../src/manifest/cut-ids.ts';
import { createCheckMaker } from '../../src/manifest/file-checks.ts';
import { createCutter } from '../../src/manifest/gear2.ts';
import { encodeParts, partsId, type Parts } from '../../src/manifest/parts-document.ts';
import { addGrains, createGrainList, createRecipeMaker } from '../../src/manifest/recipe.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { openKeptCuts } from '../../src/storage/state/kept-cuts.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { readFrames } from '../../src/wire/cut-frames.ts';
import { digestOf, directory, file, noise, putTree, transferOf } from '../suites/staged-transfer.ts';
import {
  establish,
  intercept,
  KINDS,
  openScene,
  type HandSession,
  type Kind,
  type Scene,
} from './by-hand.ts';

const SIZE = 2 * 1024 * 1024;
const NEW = noise(SIZE, 'a');
const ITEMS = [directory(''), file('a', SIZE), file('b', 'small')];

async function open(kind: Kind): Promise<{ scene: Scene; session: HandSession }> {
  const scene = await openScene(kind);
  await putTree(scene.stores.content, 'out', ITEMS);
  const session = await establish(scene, transferOf(scene.stores.content, 'out', ITEMS), 'pull');
  await session.call('GET', 'manifest');
  return { scene, session };
}

const ids = await loadCutIds('xxh64');

function cutsOf(content: Buffer) {
  const recipe = createRecipeMaker(createCutter(), ids, content.length);
  const checks = createCheckMaker(ids, content.length);
  recipe.update(content);
  checks.update(content);
  return { recipe: recipe.finish(), checks: checks.finish() };
}

async function recordsIn(body: Buffer): Promise<Map<number, Buffer>> {
  async function* source(): AsyncGenerator<Uint8Array> {
    yield body;
  }
  return readFrames(source(), () => true, 2 ** 20);
}

/** Parts by which three ranges of the file are carried, one of them over the border of a chunk. */
const PARTS: Parts = new Map([
  [
    1,
    {
      recipe: cutsOf(NEW).checks,
      carried: [0, 1000, 500_000, 65_000, 700_000, 10],
      copied: [1000, 499_000, 7, 565_000, 135_000, 9, 700_010, SIZE - 700_010, 11],
    },
  ],
]);
const CARRIED = Buffer.concat([
  NEW.subarray(0, 1000),
  NEW.subarray(500_000, 565_000),
  NEW.subarray(700_000, 700_010),
]);
const PLAN = { have: [0, 1, 2, 1], attributes: [], parts: partsId(PARTS) };
const text = [...encodeParts(PARTS)].join('');

async function fetched(session: HandSession, chunk: number, from = 0): Promise<Buffer> {
  const answer = await session.call('GET', `chunks/${chunk}`, { headers: { 'cairn-offset': String(from) } });
  return answer.body.subarray(0, -8);
}

describe.each(KINDS)('a pull out of %s', (kind) => {
  test('a pull is offered parts, and told the blocks, the checks and the grains of a source', async () => {
    const { session } = await open(kind);
    expect(session.terms.takesParts).toBe(true);
    const { recipe, checks } = cutsOf(NEW);
    const blocks = await session.post('POST', 'blocks', { entries: [1, 2] });
    const told = Buffer.concat([encodeBlocks(recipe), checks.blocks.ids]);
    expect(await recordsIn(blocks.body)).toEqual(new Map([[1, told]]));
    const lengthBytes = recipe.blocks.lengths[0]!;
    const grains = await session.call('POST', 'grains', { body: `[1,[0,${lengthBytes}]]\n` });
    const list = createGrainList();
    addGrains(list, createCutter(), ids, NEW.subarray(0, lengthBytes));
    expect(await recordsIn(grains.body)).toEqual(new Map([[1, encodeGrains(list.finish())]]));
  });

  test('a pull gets its carried ranges one behind another, from any offset, also after a restart', async () => {
    const { scene, session } = await open(kind);
    expect((await session.call('PUT', 'parts', { body: text })).status).toBe(200);
    expect((await session.post('PUT', 'plan', PLAN)).json).toEqual({ chunkCount: 2, bytesTotal: 66_010 });
    expect((await fetched(session, 0)).equals(CARRIED.subarray(0, 65_536))).toBe(true);
    await scene.restart();
    await session.resume();
    expect((await session.call('GET', 'checkpoint')).json.plan).toEqual(PLAN);
    expect((await session.call('GET', 'parts')).body.toString()).toBe(text);
    expect((await fetched(session, 0, 999)).equals(CARRIED.subarray(999, 65_536))).toBe(true);
    expect((await fetched(session, 1)).equals(CARRIED.subarray(65_536))).toBe(true);
  });

  test('a pull is told nothing of a source that has changed since it was listed, and refused its parts', async () => {
    const { scene, session } = await open(kind);
    const later = { mtimeNs: 1_700_000_000_000_000_000n };
    await putTree(scene.stores.content, 'out', [directory(''), file('a', SIZE, later)]);
    const blocks = await session.post('POST', 'blocks', { entries: [1, 1] });
    expect(await recordsIn(blocks.body)).toEqual(new Map());
    await session.call('PUT', 'parts', { body: text });
    await session.post('PUT', 'plan', PLAN);
    const refused = await session.call('GET', 'chunks/0');
    expect(refused.json).toMatchObject({ code: 'source-changed', details: { entries: [1] } });
  });
});

test('the chunks of parts have the digests of their carried bytes', async () => {
  const { session } = await open('local disk');
  await session.call('PUT', 'parts', { body: text });
  await session.post('PUT', 'plan', PLAN);
  const { body } = await session.call('GET', 'chunks/0');
  const digest = digestOf(session.transfer, CARRIED.subarray(0, 65_536));
  expect(body.subarray(-8).equals(Buffer.from(digest))).toBe(true);
});

test('a source is read once for all pulls that compare it, also after a restart of the server', async () => {
  const root = temporaryDirectory();
  const reads: string[] = [];
  const wrap = (content: ContentStore): ContentStore =>
    intercept(content, {
      read: (name, range, identity) => {
        reads.push(name);
        return content.read(name, range, identity);
      },
    });
  const keptCuts = openKeptCuts(path.join(temporaryDirectory(), 'cuts'));
  const scene = await openScene('local disk', { root, wrap, keptCuts });
  const items = [directory(''), file('a', '')];
  mkdirSync(path.join(root, 'out'));
  writeFileSync(path.join(root, 'out', 'a'), Buffer.alloc(16 * 1024 * 1024, 'a source'));
  const answers: Buffer[] = [];
  for (let pull = 0; pull < 3; pull += 1) {
    if (pull === 2) await scene.restart();
    const session = await establish(scene, transferOf(scene.stores.content, 'out', items), 'pull');
    await session.call('GET', 'manifest');
    answers.push((await recordsIn((await session.post('POST', 'blocks', { entries: [1, 1] })).body)).get(1)!);
  }
  expect(reads).toEqual(['out/a']);
  expect(answers.map((answer) => answer.equals(answers[0]!))).toEqual([true, true, true]);
});
