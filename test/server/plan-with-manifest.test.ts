import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { encodeTree, readTree } from '../../src/wire/tree-stream.ts';
import { expectTree } from '../suites/expected-tree.ts';
import { directory, file, putTree, transferOf } from '../suites/staged-transfer.ts';
import {
  establish,
  intercept,
  KINDS,
  openScene,
  type Answer,
  type HandSession,
  type Kind,
} from './by-hand.ts';

const BIG = 2 * 64 * 1024 + 100;
const ITEMS = [directory(''), file('big', BIG), file('small', 'bytes')];
const EVERYTHING = { chunkCount: 4, bytesTotal: BIG + 5 };

function sendManifest(session: HandSession, plan: string): Promise<Answer> {
  const body = [...encodeTree(session.transfer.manifest)].join('');
  return session.call('PUT', 'manifest', { body, headers: { 'cairn-plan': plan } });
}

async function putAll(session: HandSession): Promise<void> {
  for (const chunk of [0, 1, 2, 3]) expect((await session.putChunk(chunk)).status).toBe(200);
}

describe.each(KINDS)('a push into %s that wants the proposed plan', (kind) => {
  async function openPush(): Promise<HandSession> {
    const scene = await openScene(kind);
    return establish(scene, transferOf(scene.stores.content, 'in', ITEMS));
  }

  test('a push that wants the proposed plan is agreed and open with the answer to its manifest', async () => {
    const session = await openPush();
    expect(session.terms.isTargetNew).toBe(true);
    const answer = await sendManifest(session, 'proposed');
    expect(answer.json).toEqual({ have: [], attributes: [], candidates: [], accepted: EVERYTHING });
    await putAll(session);
    expect((await session.commit()).status).toBe(200);
    await expectTree(session.scene.stores.content, 'in', ITEMS);
  });

  test('a push that wants the proposed plan gets the same plan again, also after a change of the target', async () => {
    const session = await openPush();
    const first = await sendManifest(session, 'proposed');
    await putTree(session.scene.stores.content, 'in', ITEMS);
    const again = await sendManifest(session, 'proposed');
    expect(again.status).toBe(200);
    expect(again.json).toMatchObject({ have: first.json.have, attributes: [], accepted: EVERYTHING });
    expect((await session.sendPlan()).json).toEqual(EVERYTHING);
    await putAll(session);
    expect((await sendManifest(session, 'proposed')).json.accepted).toEqual(EVERYTHING);
    expect((await session.commit()).status).toBe(200);
  });

  test('a push that wants the proposed plan agrees on the entries that are already there', async () => {
    const scene = await openScene(kind);
    await putTree(scene.stores.content, 'in', ITEMS);
    const session = await establish(scene, transferOf(scene.stores.content, 'in', ITEMS));
    expect(session.terms.isTargetNew).toBe(false);
    const answer = await sendManifest(session, 'proposed');
    expect(answer.json).toMatchObject({ have: [0, 3], accepted: { chunkCount: 0, bytesTotal: 0 } });
  });

  test('a push that wants a plan of an unknown kind gets none', async () => {
    const session = await openPush();
    for (const plan of ['', 'everything', 'PROPOSED', 'x'.repeat(2000)])
      expect((await sendManifest(session, plan)).json).not.toHaveProperty('accepted');
    expect((await session.putChunk(0)).json.code).toBe('session-state');
  });
});

describe.each(KINDS)('a pull out of %s that wants everything', (kind) => {
  async function openPull(kindOfStore: Kind): Promise<HandSession> {
    const scene = await openScene(kindOfStore);
    await putTree(scene.stores.content, 'out', ITEMS);
    return establish(scene, transferOf(scene.stores.content, 'out', ITEMS), 'pull');
  }
  const getManifest = (session: HandSession, plan = 'everything'): Promise<Answer> =>
    session.call('GET', 'manifest', { headers: { 'cairn-plan': plan } });

  test('a pull that wants everything is agreed and open at the end of its manifest', async () => {
    const session = await openPull(kind);
    const answer = await getManifest(session);
    expect(answer.headers['cairn-plan']).toBe('everything');
    const { manifest } = await readTree(once(answer.body));
    expect(manifest.id).toBe(session.transfer.manifest.id);
    for (const chunk of [3, 0, 1, 2]) {
      const { body } = await session.call('GET', `chunks/${chunk}`);
      expect(body.equals(session.chunkBody(chunk))).toBe(true);
    }
    expect((await session.commit()).status).toBe(200);
  });

  test('a pull that wants everything gets the same plan again, also after a manifest without a plan', async () => {
    const session = await openPull(kind);
    expect((await session.call('GET', 'manifest')).headers).not.toHaveProperty('cairn-plan');
    for (let time = 0; time < 2; time += 1)
      expect((await getManifest(session)).headers['cairn-plan']).toBe('everything');
    expect((await session.sendPlan()).json).toEqual(EVERYTHING);
  });

  test('two requests for everything of a pull that overlap a slow scan both get the plan', async () => {
    const items = [directory(''), file('small', 'bytes')];
    const scene = await openScene(kind, {
      wrap: (content) =>
        intercept(content, {
          async *scan(...given) {
            await delay(2600);
            yield* content.scan(...given);
          },
        }),
    });
    await putTree(scene.stores.content, 'out', items);
    const session = await establish(scene, transferOf(scene.stores.content, 'out', items), 'pull');
    const answers = await Promise.all([getManifest(session), getManifest(session)]);
    for (const { headers, status } of answers)
      expect([status, headers['cairn-plan']]).toEqual([200, 'everything']);
  });

  test('a pull that wants everything is refused after another plan was agreed', async () => {
    const session = await openPull(kind);
    await session.call('GET', 'manifest');
    await session.sendPlan({ have: [1, 1], attributes: [] });
    const answer = await getManifest(session);
    expect([answer.status, answer.json.code]).toEqual([409, 'session-state']);
    expect((await session.call('GET', 'manifest')).status).toBe(200);
  });

  test('a pull that wants a plan of an unknown kind gets none', async () => {
    const session = await openPull(kind);
    expect((await getManifest(session, 'proposed')).headers).not.toHaveProperty('cairn-plan');
    expect((await session.call('GET', 'chunks/0')).json.code).toBe('session-state');
  });

  test('a pull of a file knows its size before its manifest', async () => {
    const scene = await openScene(kind);
    await putTree(scene.stores.content, 'one', [file('', BIG)]);
    const session = await establish(scene, transferOf(scene.stores.content, 'one', [file('', BIG)]), 'pull');
    expect(session.terms.fileBytes).toBe(BIG);
  });
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
