import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { sameDigest, transferDigest } from '../../src/manifest/digest.ts';
import { readTree } from '../../src/wire/tree-stream.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import {
  collect,
  directory,
  digestOf,
  file,
  putTree,
  symlink,
  transferOf,
} from '../suites/staged-transfer.ts';
import {
  ALICE,
  call,
  establish,
  establishRequest,
  intercept,
  type HandSession,
  KINDS,
  linesOf,
  openScene,
  type Kind,
  type Scene,
} from './by-hand.ts';

const BIG = 2 * 64 * 1024 + 100;
/** The time of what was changed after it was listed. */
const LATER = { mtimeNs: 1_700_000_000_000_000_000n };
const ITEMS = [
  directory(''),
  file('big', BIG),
  file('small', 'bytes'),
  file('tiny', 'x'),
  symlink('z', 'big'),
];

async function openSource(kind: Kind): Promise<{ scene: Scene; session: HandSession }> {
  const scene = await openScene(kind);
  await putTree(scene.stores.content, 'out', ITEMS);
  const session = await establish(scene, transferOf(scene.stores.content, 'out', ITEMS), 'pull');
  return { scene, session };
}

async function openPull(kind: Kind): Promise<{ scene: Scene; session: HandSession }> {
  const { scene, session } = await openSource(kind);
  await session.call('GET', 'manifest');
  expect((await session.sendPlan()).json).toEqual({ chunkCount: 4, bytesTotal: BIG + 6 });
  return { scene, session };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe.each(KINDS)('a pull out of %s', (kind) => {
  test('a pull carries the tree and ends when both sides agree', async () => {
    const { session } = await openSource(kind);
    const answer = await session.call('GET', 'manifest');
    expect(answer.headers['content-type']).toBe('application/x-ndjson');
    const { manifest } = await readTree(once(answer.body));
    expect(manifest.id).toBe(session.transfer.manifest.id);
    expect((await session.sendPlan()).json).toEqual({ chunkCount: 4, bytesTotal: BIG + 6 });
    for (const chunk of [3, 0, 1, 2]) {
      const { status, body, headers } = await session.call('GET', `chunks/${chunk}`);
      expect(status).toBe(200);
      expect(headers['content-length']).toBe(String(body.length));
      expect(body.equals(session.chunkBody(chunk))).toBe(true);
    }
    expect((await session.post('POST', 'sync')).status).toBe(200);
    const committed = await session.commit();
    expect([committed.status, committed.json.state]).toEqual([200, 'committed']);
    expect((await session.commit()).json).toEqual(committed.json);
    expect(await session.scene.stores.content.listStaging()).toEqual([]);
  });

  test('a pull goes on inside a chunk', async () => {
    const { session } = await openPull(kind);
    const answer = await session.call('GET', 'chunks/1', { headers: { 'cairn-offset': '65000' } });
    expect(answer.body.equals(session.chunkBody(1, 65_000))).toBe(true);
    const beyond = await session.call('GET', 'chunks/1', { headers: { 'cairn-offset': '65537' } });
    expect(beyond.json.code).toBe('invalid-request');
  });

  test('a pull gets the manifest that was served first, also after a restart and a change', async () => {
    const { scene, session } = await openSource(kind);
    const first = await session.call('GET', 'manifest');
    await putTree(scene.stores.content, 'out', [directory(''), file('later', 'x')]);
    expect((await session.call('GET', 'manifest')).body.equals(first.body)).toBe(true);
    await scene.restart();
    await session.resume();
    expect((await session.call('GET', 'manifest')).body.equals(first.body)).toBe(true);
  });

  test('a pull is committed after a restart that lost the digests', async () => {
    const { scene, session } = await openPull(kind);
    for (const chunk of [0, 1, 2, 3]) await session.call('GET', `chunks/${chunk}`);
    await scene.restart();
    expect((await session.resume()).json).toMatchObject({
      state: 'open',
      manifestId: session.transfer.manifest.id,
    });
    expect((await session.call('GET', 'checkpoint')).json).toMatchObject({ plan: { have: [] }, held: [] });
    expect((await session.commit({ digest: createHash('sha256').digest('hex') })).json.code).toBe(
      'digest-mismatch',
    );
    expect((await session.commit()).json.state).toBe('committed');
  });

  test.each(['at once', 'after a restart'])(
    'a pull that got zeros for an entry it was not told of is not committed %s',
    async (when) => {
      const { scene, session } = await openPull(kind);
      await putTree(scene.stores.content, 'out', [directory(''), file('small', 'OTHER', LATER)]);
      // The answer that names the entry is lost on its way; whoever asks again gets zeros.
      await session.call('GET', 'chunks/3');
      const zeros = (await session.call('GET', 'chunks/3')).body.subarray(6);
      for (const chunk of [0, 1, 2]) await session.call('GET', `chunks/${chunk}`);
      if (when !== 'at once') {
        await scene.restart('drain');
        await session.resume();
      }
      const digests = [0, 1, 2].map((chunk) => [chunk, session.chunkBody(chunk).subarray(-8)] as const);
      const digest = transferDigest(session.transfer.manifest.id, BIG + 6, [...digests, [3, zeros]]);
      const { json } = await session.commit({ digest });
      expect([json.code, json.details.entries]).toEqual(['source-changed', [2]]);
      expect((await session.commit({ digest, excluded: [2, 1] })).json.state).toBe('committed');
    },
  );

  test('a pull is told of entries that changed, then gets them as zeros', async () => {
    const { scene, session } = await openPull(kind);
    await putTree(scene.stores.content, 'out', [directory(''), file('small', 'OTHER', LATER)]);
    const refused = await session.call('GET', 'chunks/3');
    expect([refused.status, refused.json.code, refused.json.details.entries]).toEqual([
      409,
      'source-changed',
      [2],
    ]);
    const { body } = await session.call('GET', 'chunks/3');
    expect(body.subarray(0, 6).toString()).toBe('\0\0\0\0\0x');
    expect(sameDigest(body.subarray(6), digestOf(session.transfer, body.subarray(0, 6)))).toBe(true);
    for (const chunk of [0, 1, 2]) await session.call('GET', `chunks/${chunk}`);
    const digests = [0, 1, 2].map((chunk) => [chunk, session.chunkBody(chunk).subarray(-8)] as const);
    const digest = transferDigest(session.transfer.manifest.id, BIG + 6, [...digests, [3, body.subarray(6)]]);
    const committed = await session.commit({ digest, excluded: [2, 1] });
    expect(committed.json.state).toBe('committed');
  });

  test('a pull gets digests of files on request', async () => {
    const { session } = await openPull(kind);
    const lines = linesOf(await session.post('POST', 'digests', { entries: [0, 3] }));
    expect(lines).toEqual([
      [0, null],
      [1, expect.stringMatching(/^[0-9a-f]{64}$/)],
      [2, expect.stringMatching(/^[0-9a-f]{64}$/)],
      ['end', 3],
    ]);
    const none = await session.post('POST', 'digests', { entries: [0, 6] });
    expect(none.json.code).toBe('invalid-request');
  });

  test('a pull does not begin where there is no file', async () => {
    const { scene, session } = await openSource(kind);
    const request = JSON.stringify(establishRequest(session.transfer, 'pull', '/nothing'));
    const answer = await call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body: request });
    expect([answer.status, answer.json.code]).toEqual([404, 'not-found']);
    expect((await session.putChunk(0)).json.code).toBe('session-state');
  });

  test('a tree is listed on request', async () => {
    const { scene } = await openSource(kind);
    const tree = async (query: string) => {
      const answer = await call(scene, 'GET', `/.cairn/v1/tree?${query}`, { token: ALICE });
      return Array.from((await readTree(once(answer.body))).manifest.entries, ({ path }) => path);
    };
    expect(await tree('path=%2Fout&recursive=1')).toEqual(['', 'big', 'small', 'tiny', 'z']);
    expect(await tree('path=%2F&recursive=0')).toEqual(['', 'out']);
    expect(await tree('path=%2Fout%2Fbig&recursive=0')).toEqual(['']);
    const wrong = await call(scene, 'GET', '/.cairn/v1/tree?path=%2F..&recursive=0', { token: ALICE });
    expect(wrong.json.code).toBe('path-unsafe');
    expect(await collect(scene.stores.content.read('out/tiny', { from: 0, to: 1 }))).toEqual(
      Buffer.from('x'),
    );
  });
});

test('a scan that fails midway cuts the answer, and the next request says why', async () => {
  let isBroken = true;
  const scene = await openScene('local disk', {
    wrap: (content) =>
      intercept(content, {
        scan: async function* (path, options) {
          yield* content.scan(path, options);
          if (isBroken) throw new CairnError('storage-io', 'the disk says EIO');
        },
      }),
  });
  await putTree(scene.stores.content, 'out', ITEMS);
  const session = await establish(scene, transferOf(scene.stores.content, 'out', ITEMS), 'pull');
  await expect(session.call('GET', 'manifest')).rejects.toThrow();
  expect((await session.call('GET', 'manifest')).json.code).toBe('storage-io');
  isBroken = false;
  const { manifest } = await readTree(once((await session.call('GET', 'manifest')).body));
  expect(manifest.id).toBe(session.transfer.manifest.id);
});

test('a server chooses a chunk size by the size of the tree and the wished number of chunks', async () => {
  const MIB = 1024 * 1024;
  const scene = await openScene('local disk');
  const items = [file('', 2 * MIB)];
  await putTree(scene.stores.content, 'out', items);
  const transfer = transferOf(scene.stores.content, 'out', items);
  const sizeFor = async (wishes: object): Promise<number> => {
    const wanted = { isLargestChunkSize: true, chunkSizeBytes: 8 * MIB, ...wishes };
    return (await establish(scene, transfer, 'pull', wanted)).terms.chunkSizeBytes;
  };
  expect(await sizeFor({})).toBe(MIB);
  expect(await sizeFor({ wishedChunks: 1 })).toBe(2 * MIB);
});

test('a source of a pull that can no longer be read is named, and the rest goes on', async () => {
  let isBroken = false;
  const MIB = 1024 * 1024;
  // Chunks so large that the answer has begun when the last byte of one cannot be read.
  const wrap = (content: ContentStore): ContentStore =>
    intercept(content, {
      properties: { ...content.properties, chunkSizeBytes: { min: MIB, max: MIB } },
      readNow: () => false,
      read: async function* (path, range, identity) {
        if (isBroken && path.endsWith('tiny')) throw new CairnError('source-unreadable', 'permission denied');
        yield* content.read(path, range, identity);
        if (isBroken && path.endsWith('big')) throw new CairnError('source-changed', 'it changed');
      },
    });
  const scene = await openScene('local disk', { wrap });
  const items = [directory(''), file('big', MIB), file('small', 'bytes'), file('tiny', 'x')];
  await putTree(scene.stores.content, 'out', items);
  const session = await establish(scene, transferOf(wrap(scene.stores.content), 'out', items), 'pull');
  await session.call('GET', 'manifest');
  await session.sendPlan();
  isBroken = true;
  await expect(session.call('GET', 'chunks/0')).rejects.toThrow();
  const named = [await session.call('GET', 'chunks/0'), await session.call('GET', 'chunks/1')];
  expect(named.map(({ json }) => [json.code, json.details.entries])).toEqual([
    ['source-changed', [1]],
    ['source-unreadable', [3]],
  ]);
  expect((await session.call('GET', 'chunks/0')).body.subarray(0, MIB).equals(Buffer.alloc(MIB))).toBe(true);
  expect((await session.call('GET', 'chunks/1')).body.subarray(0, 6).toString()).toBe('bytes\0');
});
