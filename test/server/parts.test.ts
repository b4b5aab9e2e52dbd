/** Parts of changed files, by hand: what a server tells, takes and refuses. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { Scope } from '../../src/session/scopes.ts';
import { createStaticToken } from '../../src/server/access/static-token.ts';
import { encodeParts, partsId, type Parts } from '../../src/manifest/parts-document.ts';
import { encodeBlocks } from '../../src/manifest/cut-codec.ts';
import { loadCutIds } from '../../src/manifest/cut-ids.ts';
import { createCutter } from '../../src/manifest/gear2.ts';
import { createRecipeMaker, type Recipe } from '../../src/manifest/recipe.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { openKeptCuts } from '../../src/storage/state/kept-cuts.ts';
import { encodeFrames, lastFrame, readFrames } from '../../src/wire/cut-frames.ts';
import { createCheckMaker } from '../../src/manifest/file-checks.ts';
import { transferDigest } from '../../src/manifest/digest.ts';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { chunkBytes, digestOf, directory, file, noise, transferOf } from '../suites/staged-transfer.ts';
import { ALICE, establish, intercept, openScene, type Answer, type HandSession } from './by-hand.ts';

const MIB = 1024 * 1024;
const SIZE = 2 * MIB;

interface Opened {
  readonly session: HandSession;
  readonly comparison: Answer;
  readonly old: Buffer;
  readonly at: string;
}

/** A push of `/tree/a`, of which the target has an older version. */
async function open(
  kind: 'local disk' | 'memory' = 'local disk',
  { scopes, quotaBytes, plan }: { scopes?: readonly Scope[]; quotaBytes?: number; plan?: string } = {},
): Promise<Opened> {
  const root = temporaryDirectory();
  const at = path.join(root, 'tree', 'a');
  const old = noise(SIZE, 'old');
  mkdirSync(path.dirname(at));
  writeFileSync(at, old);
  const authenticators = [
    createStaticToken(ALICE, {
      id: 'token:alice',
      principal: 'alice',
      ...(scopes === undefined ? {} : { scopes }),
      ...(quotaBytes === undefined ? {} : { quota: { bytes: quotaBytes } }),
    }),
  ];
  const scene = await openScene(kind, { root, authenticators });
  const transfer = transferOf(scene.stores.content, 'tree', [directory(''), file('a', SIZE)]);
  const session = await establish(scene, transfer);
  const comparison = await session.call('PUT', 'manifest', {
    headers: plan === undefined ? {} : { 'cairn-plan': plan },
    body: [...encodeTree(transfer.manifest)].join(''),
  });
  return { session, comparison, old, at };
}

/** Parts by which all of the file but its first 64 KiB comes from the old one, from an offset on. */
async function partsFrom(content: Buffer, from: number): Promise<Parts> {
  const ids = await loadCutIds('xxh64');
  const checks = createCheckMaker(ids, SIZE);
  checks.update(content);
  const assembly = {
    recipe: checks.finish(),
    carried: [0, 65_536],
    copied: [65_536, SIZE - 65_536, from],
  };
  return new Map([[1, assembly]]);
}
const textOf = (parts: Parts): string => [...encodeParts(parts)].join('');
const planOf = (parts: string): object => ({ have: [0, 1], attributes: [], parts });

describe('servers over a disk', () => {
  test('a server over a disk offers parts, and names the files of which it has another version', async () => {
    const { session, comparison } = await open();
    expect(session.terms.takesParts).toBe(true);
    expect(comparison.json.older).toEqual([1, 1]);
  });

  test('a server tells the blocks of an older version while it cuts that', async () => {
    const { session, at } = await open();
    const large = noise(24 * MIB, 'large');
    writeFileSync(at, large);
    const ids = await loadCutIds('xxh64');
    const maker = createRecipeMaker(createCutter(), ids, large.length);
    maker.update(large);
    const { body } = await session.post('POST', 'blocks', { entries: [1, 1] });
    const told: Buffer[] = [];
    await readFrames(
      Readable.from([body]),
      (entry) => entry === 1,
      MIB,
      (_, from, records) => {
        expect(from).toBe(told.reduce((sum, { length }) => sum + length, 0));
        told.push(Buffer.from(records));
      },
    );
    expect(told.length).toBeGreaterThan(3);
    expect(Buffer.concat(told)).toEqual(encodeBlocks(maker.finish()));
  });

  test('a server agrees on a plan at once unless its client knows of parts and there is an older version', async () => {
    expect((await open('local disk', { plan: 'proposed' })).comparison.json.accepted).toBeDefined();
    const newer = await open('local disk', { plan: 'proposed-unless-older' });
    expect(newer.comparison.json.accepted).toBeUndefined();
  });

  test.each([
    ['write alone', ['write']],
    ['write and list', ['write', 'list']],
    ['append and read', ['append', 'read']],
    ['drop and read', ['drop', 'read']],
  ] as const)('a server tells and takes no parts for a token with %s', async (_, scopes) => {
    const { session, comparison } = await open('local disk', { scopes });
    expect([session.terms.takesParts, comparison.json?.older]).toEqual([undefined, undefined]);
    const answers = [
      await session.post('POST', 'blocks', { entries: [1, 1] }),
      await session.call('POST', 'grains', { body: '[1,[0,65536]]\n' }),
      await session.call('PUT', 'parts', { body: '["cairn-parts",1]\n' }),
      await session.post('PUT', 'plan', planOf('0'.repeat(64))),
    ];
    expect(answers.map(({ json }) => json.code)).toEqual([
      'forbidden',
      'forbidden',
      'forbidden',
      'forbidden',
    ]);
  });

  test.each([
    ['no list', 'POST', 'blocks', '{}'],
    ['an entry that is not there', 'POST', 'blocks', '{"entries":[2,1]}'],
    ['no JSON', 'POST', 'grains', 'x\n'],
    ['a line that was cut', 'POST', 'grains', '[1,[0,1]]'],
    ['a block too long', 'POST', 'grains', '[1,[0,262145]]\n'],
    ['a block of nothing', 'POST', 'grains', '[1,[0,0]]\n'],
    ['an entry that is not there', 'POST', 'grains', '[2,[0,1]]\n'],
    ['a number below zero', 'POST', 'grains', '[1,[-1,5]]\n'],
    ['parts of a directory', 'PUT', 'parts', '["cairn-parts",1]\n[0,""]\n'],
    ['parts that are none', 'PUT', 'parts', '{}\n'],
  ])('a server refuses a request about parts with %s: %s %s', async (_, method, route, body) => {
    const { session } = await open();
    const answer = await session.call(method, route, { body });
    expect([answer.status < 500, answer.json.code]).toEqual([
      true,
      expect.stringMatching(/^(invalid-request|chunk-incomplete)$/),
    ]);
    expect((await session.post('POST', 'heartbeat')).status).toBe(200);
  });

  test('a server answers about a block beyond the end of a file with nothing', async () => {
    const { session } = await open();
    const answer = await session.call('POST', 'grains', { body: `[1,[${SIZE},5,${2 ** 50},9]]\n` });
    expect([answer.status, answer.body.toString('hex')]).toEqual([200, 'ffffffff00000000']);
  });

  test('a server refuses a plan whose parts never came, are other ones, or are of a file that is there', async () => {
    const { session, old } = await open();
    expect((await session.post('PUT', 'plan', planOf('0'.repeat(64)))).json.code).toBe('invalid-request');
    const parts = await partsFrom(old, 65_536);
    expect((await session.call('PUT', 'parts', { body: textOf(parts) })).status).toBe(200);
    expect((await session.post('PUT', 'plan', planOf('0'.repeat(64)))).json.code).toBe('invalid-request');
    const overlapping = { have: [0, 2], attributes: [], parts: partsId(parts) };
    expect((await session.post('PUT', 'plan', overlapping)).json.code).toBe('invalid-request');
    const agreed = await session.post('PUT', 'plan', planOf(partsId(parts)));
    expect(agreed.json).toEqual({ chunkCount: 1, bytesTotal: 65_536 });
    expect((await session.call('PUT', 'parts', { body: textOf(parts) })).json.code).toBe('session-state');
    expect((await session.call('GET', 'parts')).body.toString()).toBe(textOf(parts));
    expect((await session.call('GET', 'checkpoint')).json.plan.parts).toBe(partsId(parts));
  });

  test('a server keeps parts over a restart', async () => {
    const { session, old } = await open();
    const parts = await partsFrom(old, 65_536);
    await session.call('PUT', 'parts', { body: textOf(parts) });
    await session.post('PUT', 'plan', planOf(partsId(parts)));
    await session.scene.restart();
    await session.resume();
    expect((await session.call('GET', 'checkpoint')).json.plan).toEqual(planOf(partsId(parts)));
  });

  test('a server counts all bytes of an assembled file for a quota, wherever they come from', async () => {
    const { session, old } = await open('local disk', { quotaBytes: MIB });
    const parts = await partsFrom(old, 65_536);
    await session.call('PUT', 'parts', { body: textOf(parts) });
    expect((await session.post('PUT', 'plan', planOf(partsId(parts)))).json.code).toBe('quota-exceeded');
  });

  test('a server publishes nothing of a plan whose ranges do not give the promised bytes', async () => {
    const { session, old, at } = await open();
    const parts = await partsFrom(old, 12_345);
    await session.call('PUT', 'parts', { body: textOf(parts) });
    await session.post('PUT', 'plan', planOf(partsId(parts)));
    await session.putChunk(0);
    const { transfer } = session;
    const digests = [[0, digestOf(transfer, chunkBytes(transfer, 0))] as const];
    const digest = transferDigest(transfer.manifest.id, 65_536, digests);
    const committed = await session.commit({ digest, bytesTotal: 65_536 });
    expect(committed.json).toMatchObject({ code: 'chunks-missing', details: { entries: [1] } });
    expect(readFileSync(at).equals(old)).toBe(true);
  });
});

test('a server over objects offers no parts, and takes none', async () => {
  const { session, comparison } = await open('memory');
  expect([session.terms.takesParts, comparison.json.older]).toEqual([undefined, undefined]);
  const answer = await session.post('POST', 'blocks', { entries: [1, 1] });
  expect(answer.json.code).toBe('storage-unsupported');
});

describe('blocks that a client tells', () => {
  const LARGE = 16 * MIB;

  /** Two pushes of a file to a server that keeps blocks; the first one tells them, and is committed. */
  async function openTold(told: (recipe: Recipe) => Buffer) {
    const root = temporaryDirectory();
    const at = path.join(root, 'tree', 'a');
    const old = noise(LARGE, 'a');
    mkdirSync(path.dirname(at));
    writeFileSync(at, old);
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
    const transfer = transferOf(scene.stores.content, 'tree', [directory(''), file('a', LARGE)]);
    const session = await establish(scene, transfer);
    expect(session.terms.keepsBlocks).toBe(true);
    await session.call('PUT', 'manifest', { body: [...encodeTree(transfer.manifest)].join('') });
    const ids = await loadCutIds('xxh64');
    const [maker, checks] = [createRecipeMaker(createCutter(), ids, LARGE), createCheckMaker(ids, LARGE)];
    maker.update(old);
    checks.update(old);
    const recipe = maker.finish();
    const parts: Parts = new Map([
      [1, { recipe: checks.finish(), carried: [0, 65_536], copied: [65_536, LARGE - 65_536, 65_536] }],
    ]);
    await session.call('PUT', 'parts', { body: textOf(parts) });
    await session.post('PUT', 'plan', planOf(partsId(parts)));
    const answer = await session.call('PUT', 'blocks', {
      body: Buffer.concat([...encodeFrames(1, told(recipe)), lastFrame()]),
    });
    return { scene, session, transfer, reads, recipe, answer };
  }

  test('blocks of a new version that a client tells are kept once it is published, and save a read of it', async () => {
    const { scene, session, transfer, reads, recipe, answer } = await openTold(encodeBlocks);
    expect(answer.status).toBe(200);
    await session.putChunk(0);
    const digests = [[0, digestOf(transfer, chunkBytes(transfer, 0))] as const];
    const digest = transferDigest(transfer.manifest.id, 65_536, digests);
    expect((await session.commit({ digest, bytesTotal: 65_536 })).json.state).toBe('committed');
    reads.length = 0;
    const next = await establish(scene, transfer);
    await next.call('PUT', 'manifest', { body: [...encodeTree(transfer.manifest)].join('') });
    const { body } = await next.post('POST', 'blocks', { entries: [1, 1] });
    expect(body.equals(Buffer.concat([...encodeFrames(1, encodeBlocks(recipe)), lastFrame()]))).toBe(true);
    expect(reads).toEqual([]);
  });

  test('blocks of a new version that are not those of the file are refused', async () => {
    const { answer } = await openTold((recipe) => encodeBlocks(recipe, 1));
    expect(answer.json.code).toBe('invalid-request');
  });
});
