import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ChunkSet } from '../../src/checkpoint/chunk-set.ts';
import { CairnError } from '../../src/base/errors.ts';
import { transferDigest } from '../../src/manifest/digest.ts';
import { encodeTree } from '../../src/wire/tree-stream.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { expectTree, readFile } from '../suites/expected-tree.ts';
import {
  directory,
  file,
  putTree,
  stream,
  symlink,
  transferOf,
  type SampleTransfer,
} from '../suites/staged-transfer.ts';
import {
  ALICE,
  call,
  establish,
  establishRequest,
  intercept,
  interceptChunks,
  KINDS,
  linesOf,
  openPush,
  openScene,
  until,
  type Scene,
} from './by-hand.ts';

const BIG = 3 * 64 * 1024 + 100;

function sample(scene: Scene): SampleTransfer {
  const items = [directory(''), file('a big one', BIG), file('b', 'small'), file('c', ''), symlink('d', 'b')];
  return transferOf(scene.stores.content, 'in/there', items);
}

describe.each(KINDS)('a push into %s', (kind) => {
  test('a push is published at its commit and not before', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await establish(scene, transfer);
    expect(session.terms).toMatchObject({
      epoch: 1,
      state: 'establishing',
      digest: 'xxh64',
      manifestId: null,
    });
    expect((await session.sendManifest()).json).toEqual({ have: [], attributes: [], candidates: [] });
    expect((await session.sendPlan()).json).toEqual({ chunkCount: 5, bytesTotal: BIG + 5 });
    for (const chunk of [4, 0, 3, 1, 2]) {
      const answer = await session.putChunk(chunk);
      expect(answer.status).toBe(200);
      expect(answer.json.durableSyncPoint).toBeTypeOf('number');
    }
    expect((await call(scene, 'GET', '/in/there/b', { token: ALICE })).status).toBe(404);
    const committed = await session.commit();
    expect(committed.status).toBe(200);
    expect(committed.json).toEqual({
      state: 'committed',
      entriesDone: 5,
      entriesTotal: 5,
      digest: session.claim().digest,
    });
    await expectTree(scene.stores.content, 'in/there', transfer.items);
    expect(await scene.stores.content.listStaging()).toEqual([]);
  });

  test('a push gets an answer to a sync once all chunks are durable, and a checkpoint with the durable ones', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const point = (await session.putChunk(1)).json.syncPoint as number;
    const synced = (await session.post('POST', 'sync')).json as { durableSyncPoint: number };
    expect(synced.durableSyncPoint).toBeGreaterThanOrEqual(point);
    await session.putChunk(4);
    const checkpoint = (await session.call('GET', 'checkpoint')).json;
    expect(checkpoint.plan).toEqual({ have: [], attributes: [] });
    expect(checkpoint.chunks.runs).toEqual([1, 1, 4, 1]);
    expect(Buffer.from(checkpoint.chunks.digests, 'base64').subarray(0, 8)).toEqual(
      session.chunkBody(1).subarray(-8),
    );
  });

  test('a push gets the same answer to a repeated commit, also after a restart', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3, 4]) await session.putChunk(chunk);
    const first = await session.commit();
    expect((await session.commit()).json).toEqual(first.json);
    await scene.restart();
    expect((await session.commit()).json).toMatchObject({ state: 'committed', digest: first.json.digest });
    expect((await session.resume()).json).toMatchObject({ state: 'committed', epoch: 2 });
    expect((await session.commit()).status).toBe(200);
    const other = await session.commit({ digest: createHash('sha256').digest('hex') });
    expect(other.json.code).toBe('digest-mismatch');
  });

  test('a push is told the chunks that are missing at its commit, and stays open', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    for (const chunk of [1, 4]) await session.putChunk(chunk);
    const answer = await session.commit();
    expect([answer.status, answer.json.code]).toEqual([409, 'chunks-missing']);
    expect(answer.json.details.runs).toEqual([0, 1, 2, 2]);
    for (const chunk of [0, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
  });

  test('a push is not committed with another digest or size', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3, 4]) await session.putChunk(chunk);
    const digest = createHash('sha256').digest('hex');
    expect((await session.commit({ digest })).json.code).toBe('digest-mismatch');
    expect((await session.commit({ bytesTotal: 1 })).json.code).toBe('digest-mismatch');
    expect((await session.commit()).status).toBe(200);
  });

  test('a push leaves out excluded entries, and needs no chunks of these', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await openPush(scene, transfer);
    await session.putChunk(4);
    const alone = { ...transfer, items: transfer.items.filter(({ entry }) => entry.path !== 'a big one') };
    const digest = transferDigest(transfer.manifest.id, 5, [[4, session.chunkBody(4).subarray(-8)]]);
    const answer = await session.commit({ digest, bytesTotal: 5, excluded: [1, 1] });
    expect(answer.status).toBe(200);
    await expectTree(scene.stores.content, 'in/there', alone.items);
  });

  test('a push cannot leave out entries that its manifest does not have, also when it is committed again', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, transferOf(scene.stores.content, 'x', [file('', 9)]));
    await session.putChunk(0);
    for (const excluded of [
      [1, 1],
      [0, 2_000_000],
    ])
      expect((await session.commit({ excluded })).json.code).toBe('invalid-request');
    expect((await session.commit()).status).toBe(200);
    expect((await session.commit({ excluded: [1, 1] })).json.code).toBe('invalid-request');
    expect((await session.commit()).status).toBe(200);
  });

  test('a push of a stream is told sixteen million missing chunks without a look at each', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, transferOf(scene.stores.content, 'x', [stream(Buffer.alloc(9))]));
    const looks = vi.spyOn(ChunkSet.prototype, 'has');
    onTestFinished(() => looks.mockRestore());
    const answer = await session.post('POST', 'commit', {
      digest: '0'.repeat(64),
      bytesTotal: 2 ** 24 * session.transfer.manifest.chunkSizeBytes,
      excluded: [],
    });
    expect(answer.json).toMatchObject({ code: 'chunks-missing', details: { runs: [0, 2 ** 24] } });
    expect(looks.mock.calls.length).toBeLessThan(1000);
  });

  test('a push is refused a chunk with a wrong digest, and keeps nothing of it', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const body = session.chunkBody(0);
    body[17]! ^= 1;
    const answer = await session.call('PUT', 'chunks/0', { body });
    expect([answer.status, answer.json.code]).toEqual([422, 'chunk-digest-mismatch']);
    expect(await session.bytesThere(0)).toBe(0);
    expect((await session.putChunk(0)).status).toBe(200);
  });

  test('a push may send a chunk again at any time, with the same or other bytes', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await openPush(scene, transfer);
    for (const chunk of [0, 0, 1, 2, 3, 4, 4]) expect((await session.putChunk(chunk)).status).toBe(200);
    await session.post('POST', 'sync');
    expect((await session.putChunk(2)).status).toBe(200);
    const { bytes } = transfer.items.find(({ entry }) => entry.path === 'b')!;
    bytes.write('other');
    expect((await session.putChunk(4)).status).toBe(200);
    expect((await session.commit()).status).toBe(200);
    expect((await readFile(scene.stores.content, 'in/there/b')).toString()).toBe('other');
  });

  test('a push is told the whole length of a chunk that is there, and may send its digest alone', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    await session.putChunk(4);
    expect(await session.bytesThere(4)).toBe(5);
    expect((await session.putChunk(4, 5)).status).toBe(200);
    const wrong = await session.call('PUT', 'chunks/4', {
      headers: { 'cairn-offset': '5' },
      body: Buffer.alloc(8),
    });
    expect(wrong.json.code).toBe('chunk-digest-mismatch');
    expect(await session.bytesThere(4)).toBe(5);
  });

  test('a push goes on inside a chunk whose request was cut, if the store can', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await openPush(scene, transfer);
    const bytesThere = scene.stores.content.properties.holdsPartialChunks ? 40_000 : 0;
    // What a server has not read when the line is cut is lost: a busy one gets more time.
    let waitMs = 100;
    await until(async () => {
      const socket = await session.beginChunk(1, 40_000);
      await delay((waitMs *= 2));
      socket.destroy();
      return (await session.bytesThere(1)) === bytesThere;
    });
    const wrong = await session.putChunk(1, 39_999);
    expect([wrong.status, wrong.json.code, wrong.json.details.heldBytes]).toEqual([
      409,
      'chunk-offset-mismatch',
      bytesThere,
    ]);
    expect((await session.putChunk(1, bytesThere)).status).toBe(200);
    for (const chunk of [0, 2, 3, 4]) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(200);
    await expectTree(scene.stores.content, 'in/there', transfer.items);
  });

  test('a push keeps what came of a chunk whose sender went silent, if the store can', async () => {
    const scene = await openScene(kind, { limits: { idleBodyMs: 200 } });
    const session = await openPush(scene, sample(scene));
    const socket = await session.beginChunk(1, 40_000);
    let answer = '';
    socket.on('data', (piece) => (answer += piece.toString()));
    await once(socket, 'close');
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
    expect(answer).toContain('"timeout"');
    expect(await session.bytesThere(1)).toBe(kind === 'memory' ? 0 : 40_000);
    socket.destroy();
  });

  test('a push ends the older of two requests for a chunk', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const older = await session.beginChunk(1, 40_000);
    let answer = '';
    older.on('data', (piece) => (answer += piece.toString()));
    await delay(50);
    expect((await session.putChunk(1)).status).toBe(200);
    await delay(50);
    expect(answer).toMatch(/^HTTP\/1.1 409 /);
    older.destroy();
    expect(await session.bytesThere(1)).toBe(64 * 1024);
  });

  test('a push is refused chunks that the layout does not have, and bodies that do not fit', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const codeOf = async (route: string, body: Uint8Array): Promise<string> =>
      (await session.call('PUT', route, { body })).json.code as string;
    expect(await codeOf('chunks/5', Buffer.alloc(13))).toBe('chunk-out-of-range');
    expect(await codeOf('chunks/4', Buffer.alloc(14))).toBe('invalid-request');
    expect(await codeOf('chunks/4', Buffer.alloc(3))).toBe('invalid-request');
    expect(await codeOf('chunks/x', Buffer.alloc(13))).toBe('not-found');
  });

  test('a push may send a chunk whose length a proxy has removed, and no byte more or less', async () => {
    const scene = await openScene(kind);
    const session = await openPush(scene, sample(scene));
    const headers = { 'transfer-encoding': 'chunked' };
    const whole = session.chunkBody(4, 0);
    const put = async (body: Uint8Array): Promise<unknown> =>
      (await session.call('PUT', 'chunks/4', { headers, body })).json.code;
    expect(await put(whole.subarray(0, -1))).toBe('chunk-incomplete');
    expect(await put(Buffer.concat([whole, Buffer.of(0)]))).toBe('chunk-incomplete');
    expect(await put(Buffer.alloc(0))).toBe('chunk-incomplete');
    expect((await session.call('PUT', 'chunks/4', { headers, body: whole })).status).toBe(200);
  });

  test('a push is compared with its target, and refused where something is in the way', async () => {
    const scene = await openScene(kind);
    await putTree(scene.stores.content, 'in', [directory('')]);
    const items = [directory(''), file('same', 'same'), file('other', 'olde')];
    await putTree(scene.stores.content, 'in/there', items);
    const changed = file('other', 'newe', { mtimeNs: 1_700_000_000_000_000_000n });
    const transfer = transferOf(scene.stores.content, 'in/there', [items[0]!, items[1]!, changed]);
    const session = await establish(scene, transfer);
    const comparison = (await session.sendManifest()).json;
    expect(comparison).toMatchObject({ have: [0, 1, 2, 1], candidates: [1, 1] });
    const digests = linesOf(await session.post('POST', 'digests', { entries: [1, 2] }));
    expect(digests.at(-1)).toEqual(['end', 2]);
    expect(digests[0]).toEqual([1, expect.stringMatching(/^[0-9a-f]{64}$/)]);
    const clash = transferOf(scene.stores.content, 'in/there', [directory(''), directory('same')]);
    const other = await (await establish(scene, clash)).sendManifest();
    expect([other.status, other.json.have]).toEqual([200, [0, 1]]);
    const onFile = transferOf(scene.stores.content, 'in/there/same', [directory('')]);
    const refused = await (await establish(scene, onFile)).sendManifest();
    expect([refused.status, refused.json.code]).toEqual([409, 'not-directory']);
  });

  test('a push may send the same manifest and plan again, and no others', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await establish(scene, transfer);
    expect((await session.sendPlan()).json.code).toBe('manifest-missing');
    expect((await session.putChunk(0)).json.code).toBe('session-state');
    await session.sendManifest();
    expect((await session.sendManifest()).status).toBe(200);
    await session.sendPlan();
    expect((await session.sendPlan()).json).toEqual({ chunkCount: 5, bytesTotal: BIG + 5 });
    expect((await session.sendPlan({ have: [2, 1], attributes: [] })).json.code).toBe('session-state');
    const { manifest } = transferOf(scene.stores.content, 'in/there', [file('', 'x')]);
    const other = await session.call('PUT', 'manifest', { body: [...encodeTree(manifest)].join('') });
    expect(other.json.code).toBe('session-state');
  });

  test('a push with a hostile manifest is refused', async () => {
    const scene = await openScene(kind);
    const { chunkSizeBytes } = sample(scene).manifest;
    const header = `["cairn-manifest",1,${chunkSizeBytes},"xxh64"]\n`;
    const codeOf = async (entries: string, head = header): Promise<string> => {
      const session = await establish(scene, sample(scene));
      const id = createHash('sha256')
        .update(head + entries)
        .digest('hex');
      return (await session.call('PUT', 'manifest', { body: `${head}${entries}["end","${id}"]\n` })).json
        .code as string;
    };
    expect(await codeOf('["f","../x",1,420,"0"]\n')).toBe('path-unsafe');
    expect(await codeOf('["f","/x",1,420,"0"]\n')).toBe('path-unsafe');
    expect(await codeOf('["f",".cairn",1,420,"0"]\n')).toBe('path-reserved');
    expect(await codeOf('["f","x",9007199254740993,420,"0"]\n')).toBe('manifest-invalid');
    expect(await codeOf('["f","x",9007199254740000,420,"0"]\n')).toBe('manifest-too-large');
    expect(await codeOf('', '["cairn-manifest",1,1048576,"xxh64"]\n')).toBe('manifest-invalid');
    const session = await establish(scene, sample(scene));
    expect((await session.call('PUT', 'manifest', { body: header })).json.code).toBe('chunk-incomplete');
  });

  test('a push of a stream has its size only at the commit', async () => {
    const scene = await openScene(kind);
    const transfer = transferOf(scene.stores.content, 'streamed', [
      stream(Buffer.alloc(2 * 65_536 + 9, 'x')),
    ]);
    const session = await establish(scene, transfer);
    await session.sendManifest();
    expect((await session.sendPlan()).json).toEqual({ chunkCount: null, bytesTotal: null });
    const full = transferOf(scene.stores.content, 'streamed', [file('', 2 * 65_536 + 9)]);
    const shaped = Object.assign(session, { transfer: { ...transfer, layout: full.layout } });
    for (const chunk of [2, 0]) expect((await shaped.putChunk(chunk)).status).toBe(200);
    await session.post('POST', 'sync');
    await scene.restart();
    expect((await shaped.resume()).status).toBe(200);
    const behind = await session.call('PUT', 'chunks/3', { body: session.chunkBody(0) });
    expect(behind.json.code).toBe('chunk-out-of-range');
    for (const chunk of [0, 1, 2]) await shaped.putChunk(chunk);
    const { bytesTotal } = shaped.claim();
    expect((await shaped.commit({ bytesTotal: bytesTotal + 1 })).json.code).toBe('digest-mismatch');
    expect((await shaped.commit({ bytesTotal: bytesTotal - 9 })).json.code).toBe('digest-mismatch');
    expect((await shaped.commit()).status).toBe(200);
    const published = await call(scene, 'GET', '/streamed', { token: ALICE });
    expect(published.body.equals(transfer.items[0]!.bytes)).toBe(true);
  });

  test('a push finds its unfinished session by its manifest', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const session = await openPush(scene, transfer);
    await session.putChunk(0);
    const request = { ...establishRequest(transfer, 'push', '/in/there'), manifestId: transfer.manifest.id };
    const again = await call(scene, 'POST', '/.cairn/v1/sessions', {
      token: ALICE,
      body: JSON.stringify(request),
    });
    expect(again.status).toBe(200);
    expect(again.json).toMatchObject({
      session: session.terms.session,
      epoch: 2,
      state: 'open',
      resumed: true,
    });
    expect((await session.putChunk(1)).json.code).toBe('session-fenced');
  });

  test('a push finds its unfinished session by another manifest of the same entries', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    const { terms } = await openPush(scene, transfer);
    const request = (ids: readonly string[]): string =>
      JSON.stringify({
        ...establishRequest(transfer, 'push', '/in/there'),
        manifestId: 'a'.repeat(64),
        otherManifestIds: ids,
      });
    const ask = (ids: readonly string[]): ReturnType<typeof call> =>
      call(scene, 'POST', '/.cairn/v1/sessions', { token: ALICE, body: request(ids) });
    const none = await ask(['b'.repeat(64)]);
    expect([none.status, none.json.resumed]).toEqual([201, false]);
    const found = await ask(['b'.repeat(64), transfer.manifest.id]);
    expect(found.json).toMatchObject({ session: terms.session, epoch: 2, resumed: true });
    const tooMany = await ask(Array.from({ length: 5 }, () => transfer.manifest.id));
    expect([tooMany.status, tooMany.json.code]).toEqual([400, 'invalid-request']);
  });

  test('a push is told that the disk is full, and goes on when there is room', async () => {
    let isFull = true;
    const scene = await openScene(kind, {
      wrap: (content) => failingWrites(content, () => isFull),
    });
    const session = await openPush(scene, sample(scene));
    const refused = await session.putChunk(0);
    expect([refused.status, refused.json.code]).toEqual([507, 'storage-full']);
    isFull = false;
    expect((await session.putChunk(0)).status).toBe(200);
  });
});

function failingWrites(content: ContentStore, isFull: () => boolean): ContentStore {
  return interceptChunks(content, (chunks) => ({
    write: async (chunk, offset) => {
      const writer = await chunks.write(chunk, offset);
      const write = async (pieces: Uint8Array[]): Promise<void> => {
        if (isFull()) throw new CairnError('storage-full', 'the disk is full');
        await writer.write(pieces);
      };
      return intercept(writer, { write });
    },
  }));
}

describe('publishing', () => {
  function slowPublish(content: ContentStore, gate: () => Promise<void>, failure?: CairnError): ContentStore {
    return interceptChunks(content, (chunks) => ({
      publish: async (order) => {
        order.onProgress?.(1);
        await gate();
        if (failure !== undefined) throw failure;
        await chunks.publish(order);
      },
    }));
  }

  test('a publishing that takes long is answered as going on, and ends without a waiting client', async () => {
    let open = (): void => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    const scene = await openScene('local disk', {
      limits: { commitWaitMs: 50 },
      wrap: (content) => slowPublish(content, () => gate),
    });
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3, 4]) await session.putChunk(chunk);
    const going = await session.commit();
    expect([going.status, going.json.state, going.json.entriesDone]).toEqual([202, 'committing', 1]);
    expect((await session.putChunk(0)).json.code).toBe('session-state');
    expect((await session.call('DELETE', '')).json.code).toBe('session-state');
    open();
    await until(async () => scene.logged.some((line) => line.startsWith('session committed')));
    expect((await session.commit()).json).toMatchObject({ state: 'committed', entriesDone: 5 });
  });

  test('a publishing that a restart interrupted is finished by the server itself', async () => {
    let isFirst = true;
    const scene = await openScene('local disk', {
      limits: { commitWaitMs: 50 },
      wrap: (content) => {
        if (!isFirst) return content;
        isFirst = false;
        return slowPublish(content, () => delay(300), new CairnError('storage-io', 'the process is gone'));
      },
    });
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3, 4]) await session.putChunk(chunk);
    expect((await session.commit()).status).toBe(202);
    await scene.restart();
    await until(async () => scene.logged.some((line) => line.startsWith('session committed')));
    await expectTree(scene.stores.content, 'in/there', session.transfer.items);
    expect((await session.commit()).json.state).toBe('committed');
  });

  test('a publishing that fails is answered with its error, and can be asked for again', async () => {
    let isBroken = true;
    const scene = await openScene('local disk', {
      wrap: (content) =>
        interceptChunks(content, (chunks) => ({
          publish: async (order) => {
            if (isBroken) throw new CairnError('storage-full', 'the disk is full');
            await chunks.publish(order);
          },
        })),
    });
    const session = await openPush(scene, sample(scene));
    for (const chunk of [0, 1, 2, 3, 4]) await session.putChunk(chunk);
    expect((await session.commit()).json.code).toBe('storage-full');
    isBroken = false;
    expect((await session.resume()).json.state).toBe('committing');
    expect((await session.commit()).json.state).toBe('committed');
  });
});
