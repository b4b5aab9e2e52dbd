import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { checkSessions } from '../../src/server/core/check/check-sessions.ts';
import type { CheckTotals, Finding } from '../../src/server/core/check/findings.ts';
import { DEFAULT_LIMITS } from '../../src/server/server-limits.ts';
import { changed, type SessionChanges } from '../../src/session/record.ts';
import type { ContentStore } from '../../src/storage/content-store.ts';
import { directory, file, putTree, transferOf, type SampleTransfer } from '../suites/staged-transfer.ts';
import {
  establish,
  intercept,
  interceptChunks,
  KINDS,
  openPush,
  openScene,
  until,
  type HandSession,
  type Kind,
  type Scene,
} from './by-hand.ts';

const SIZE = 65_536;

function sample(scene: Scene, target = 'in'): SampleTransfer {
  return transferOf(scene.stores.content, target, [directory(''), file('a', 3 * SIZE), file('b', 'small')]);
}

/** A push with all chunks durable, and its server gone. */
async function interrupted(kind: Kind): Promise<{ scene: Scene; session: HandSession }> {
  const scene = await openScene(kind);
  const session = await openPush(scene, sample(scene));
  for (const chunk of [0, 1, 2, 3]) await session.putChunk(chunk);
  await session.post('POST', 'sync');
  await scene.server.kill();
  return { scene, session };
}

async function check(
  { stores }: Scene,
  options: { isDryRun?: boolean; content?: ContentStore } = {},
): Promise<{ totals: CheckTotals; findings: Finding[]; kinds: string[] }> {
  const findings: Finding[] = [];
  const totals = await checkSessions({
    content: options.content ?? stores.content,
    sessions: stores.sessions,
    isDryRun: options.isDryRun ?? false,
    incidents: [],
    report: (finding) => findings.push(finding),
    now: Date.now,
    limits: DEFAULT_LIMITS,
  });
  return { totals, findings, kinds: findings.map(({ kind, outcome }) => `${kind} ${outcome}`) };
}

/** A store in which chunk 1 has lost its bytes to others. */
function damaged(content: ContentStore): ContentStore {
  return interceptChunks(content, (chunks) => ({
    read: async function* (chunk: number) {
      if (chunk === 1) yield Buffer.alloc(SIZE, 7);
      else yield* chunks.read(chunk);
    },
  }));
}

async function change({ stores }: Scene, id: string, changes: SessionChanges): Promise<void> {
  const record = (await stores.sessions.get(id))!;
  await stores.sessions.replace(changed(record, changes));
}

describe.each(KINDS)('a check over %s', (kind) => {
  test('a check hashes every durable chunk, and finds nothing where all is well', async () => {
    const { scene, session } = await interrupted(kind);
    const { totals, findings } = await check(scene);
    expect(findings).toEqual([]);
    const { bytesTotal } = session.claim();
    expect(totals).toMatchObject({ sessions: 1, chunks: 4, bytes: bytesTotal });
  });

  test('a check withdraws chunks with other bytes, unless it is a dry run, and the push is finished', async () => {
    const { scene, session } = await interrupted(kind);
    const content = damaged(scene.stores.content);
    const looked = await check(scene, { content, isDryRun: true });
    expect(looked.kinds).toEqual(['chunks-wrong repaired']);
    expect(looked.findings[0]).toMatchObject({ session: session.terms.session, target: 'in' });
    expect((await check(scene)).findings).toEqual([]);
    expect((await check(scene, { content })).kinds).toEqual(['chunks-wrong repaired']);
    const again = await check(scene);
    expect(again.findings).toEqual([]);
    expect(again.totals.chunks).toBe(3);
    await scene.restart();
    await session.resume();
    expect((await session.call('GET', 'checkpoint')).json.chunks.runs).toEqual([0, 1, 2, 2]);
    await session.putChunk(1);
    expect((await session.commit()).status).toBe(200);
  });

  test.each(['manifest', 'plan'] as const)(
    'a check ends a session whose %s is damaged, and its client learns of it',
    async (name) => {
      const { scene, session } = await interrupted(kind);
      const area = await scene.stores.content.openStaging(session.terms.session);
      await area.save(name, ['{"have":']);
      expect((await check(scene, { isDryRun: true })).kinds).toEqual([`${name}-unreadable lost`]);
      expect(await scene.stores.content.listStaging()).toHaveLength(1);
      expect((await check(scene)).kinds).toEqual([`${name}-unreadable lost`]);
      expect(await scene.stores.content.listStaging()).toEqual([]);
      expect((await check(scene)).findings).toEqual([]);
      await scene.restart();
      expect((await session.resume()).json.code).toBe('session-expired');
    },
  );

  test('a check leaves a manifest of a newer cairn alone', async () => {
    const { scene, session } = await interrupted(kind);
    const area = await scene.stores.content.openStaging(session.terms.session);
    await area.save('manifest', ['["cairn-manifest",3,65536,"xxh64"]\n']);
    expect((await check(scene)).kinds).toEqual(['manifest-newer untouched']);
    expect((await check(scene)).kinds).toEqual(['manifest-newer untouched']);
  });

  test('a check leaves a session alone that has no manifest yet', async () => {
    const scene = await openScene(kind);
    await establish(scene, sample(scene));
    await scene.server.kill();
    expect((await check(scene)).findings).toEqual([]);
  });

  test('a check empties the damaged digests of a pull, and ends one that has lost its identities', async () => {
    const scene = await openScene(kind);
    const transfer = sample(scene);
    await putTree(scene.stores.content, 'in', transfer.items);
    const session = await establish(scene, transfer, 'pull');
    const manifest = await session.call('GET', 'manifest');
    expect(manifest.status).toBe(200);
    expect((await session.sendPlan()).status).toBe(200);
    await scene.server.kill();
    expect((await check(scene)).findings).toEqual([]);
    const area = await scene.stores.content.openStaging(session.terms.session);
    await area.save('digests', ['{"runs":[0,9],"digests":"AA=="}']);
    expect((await check(scene)).kinds).toEqual(['digests-unreadable repaired']);
    expect((await check(scene)).findings).toEqual([]);
    await area.save('identities', ['"one"\n']);
    expect((await check(scene)).kinds).toEqual(['identities-unreadable lost']);
  });

  test('a check notes an interrupted commit, and withdraws chunks that it must not publish', async () => {
    const { scene, session } = await interrupted(kind);
    const { digest, bytesTotal } = session.claim();
    const commit = { digest, bytesTotal, excluded: [], entriesTotal: 3 };
    await change(scene, session.terms.session, {
      state: 'committing',
      pass: { commit },
      leaseExpiresAtMs: 1,
    });
    expect((await check(scene)).kinds).toEqual(['committing note']);
    const content = damaged(scene.stores.content);
    expect((await check(scene, { content })).kinds).toEqual(['chunks-wrong repaired', 'committing note']);
    if (kind === 'memory') return; // another process may hold it: its client asks again
    await change(scene, session.terms.session, { leaseExpiresAtMs: Date.now() + 60_000 });
    await scene.restart();
    await until(async () => (await scene.stores.sessions.get(session.terms.session))?.state === 'open');
    await session.resume();
    await session.putChunk(1);
    expect((await session.commit()).status).toBe(200);
  });

  test('a check goes on with the other sessions when the storage fails for one', async () => {
    const { scene, session } = await interrupted(kind);
    await scene.restart();
    const other = await openPush(scene, sample(scene, 'other'));
    await scene.server.kill();
    const content = intercept(scene.stores.content, {
      openStaging: async (id) => {
        if (id === session.terms.session) throw new CairnError('storage-io', 'the disk is dying');
        return damaged(scene.stores.content).openStaging(id);
      },
    });
    await change(scene, other.terms.session, { leaseExpiresAtMs: 1 });
    const { kinds, findings } = await check(scene, { content });
    expect(kinds.toSorted()).toEqual(['lease-over repaired', 'not-checked failed']);
    expect(findings.find(({ code }) => code !== undefined)).toMatchObject({ code: 'storage-io' });
  });

  test('a check withdraws chunks that cannot be read, and says that the storage failed', async () => {
    const { scene } = await interrupted(kind);
    const content = interceptChunks(scene.stores.content, (chunks) => ({
      // oxlint-disable-next-line require-yield -- it fails before the first byte
      read: async function* (chunk: number) {
        if (chunk === 2) throw new CairnError('storage-io', 'EIO');
        yield* chunks.read(chunk);
      },
    }));
    const { findings } = await check(scene, { content });
    expect(findings).toMatchObject([{ kind: 'chunks-wrong', outcome: 'failed', code: 'storage-io' }]);
    expect((await check(scene)).totals.chunks).toBe(3);
  });
});

test('a commit that misses staged bytes names their chunks, and the session takes them again', async () => {
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(content, (chunks) => {
        let isLost = false;
        return {
          publish: async (order) => {
            if (isLost) return chunks.publish(order);
            isLost = true;
            await chunks.forget([1, 2]);
            return chunks.publish(order);
          },
        };
      }),
  });
  const session = await openPush(scene, sample(scene));
  for (const chunk of [0, 1, 2, 3]) await session.putChunk(chunk);
  const refused = await session.commit();
  expect([refused.status, refused.json.code, refused.json.details]).toMatchObject([
    409,
    'chunks-missing',
    { runs: [1, 2] },
  ]);
  expect((await session.call('HEAD', 'chunks/1')).headers['cairn-offset']).toBe('0');
  for (const chunk of [1, 2]) expect((await session.putChunk(chunk)).status).toBe(200);
  expect((await session.commit()).status).toBe(200);
});

test('commits that were interrupted all go on after a start, a few at a time', async () => {
  let running = 0;
  let most = 0;
  const scene = await openScene('local disk', {
    wrap: (content) =>
      interceptChunks(content, (chunks) => ({
        publish: async (order) => {
          running += 1;
          most = Math.max(most, running);
          await new Promise((resolve) => setTimeout(resolve, 10));
          await chunks.publish(order);
          running -= 1;
        },
      })),
  });
  const sessions: HandSession[] = [];
  for (let number = 0; number < 12; number += 1) {
    const transfer = transferOf(scene.stores.content, `t${number}`, [directory(''), file('a', SIZE)]);
    const session = await openPush(scene, transfer);
    await session.putChunk(0);
    await session.post('POST', 'sync');
    sessions.push(session);
  }
  await scene.server.kill();
  for (const session of sessions) {
    const commit = { ...session.claim(), excluded: [], entriesTotal: 2 };
    await change(scene, session.terms.session, { state: 'committing', pass: { commit } });
  }
  await scene.restart();
  await until(async () => {
    const records = await Promise.all(sessions.map(({ terms }) => scene.stores.sessions.get(terms.session)));
    return records.every((record) => record?.state === 'committed');
  });
  expect(most).toBeLessThanOrEqual(4);
  expect(most).toBeGreaterThan(1);
});
