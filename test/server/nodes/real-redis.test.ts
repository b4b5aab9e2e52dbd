/** Several servers that share a real Redis: counts are exact, and one that goes back in time admits no client that was replaced. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { createStaticToken } from '../../../src/server/access/static-token.ts';
import { createMemoryObjects } from '../../../src/storage/objects/memory/memory-objects.ts';
import { openRedisLink } from '../../../src/storage/state/redis/redis-link.ts';
import { createRedisMemory } from '../../../src/storage/state/redis/redis-memory.ts';
import type { SharedMemory } from '../../../src/storage/state/shared-memory.ts';
import { hasRedis, startRedis, type TestRedis } from '../../support/redis.ts';
import { transferOf, directory, file } from '../../suites/staged-transfer.ts';
import { ALICE, call, establish, establishRequest, until } from '../by-hand.ts';
import { at, openNodes, pushed, treeOf, type Nodes } from './nodes-scene.ts';

/** More than a node waits, on a machine that does much else. */
const ANSWER_MS = 5000;
const quiet = { info: () => undefined, warn: () => undefined };

interface Opened extends Nodes {
  readonly memories: readonly SharedMemory[];
}

/** Three servers over one Redis. */
async function open(
  { port, url }: TestRedis,
  changes: Parameters<typeof openNodes>[0] = {},
): Promise<Opened> {
  const place = { host: '127.0.0.1', port, isTls: false, database: 0, shown: url };
  const memories: SharedMemory[] = [];
  for (let count = 0; count < 3; count += 1) {
    const link = await openRedisLink(
      { ...place, username: undefined, password: undefined },
      { log: quiet, answerMs: ANSWER_MS },
    );
    onTestFinished(() => link.close());
    memories.push(createRedisMemory(link, 'store'));
  }
  const left = [...memories];
  return { memories, ...(await openNodes(changes, createMemoryObjects(), { node: () => left.shift()! })) };
}

describe.skipIf(!hasRedis)('three servers over a real Redis, which has to be installed', () => {
  test('an address has ten wrong tokens, whichever servers it sends them to at the same time', async () => {
    const { nodes } = await open(await startRedis());
    const guesses = Array.from({ length: 30 }, (_, n) =>
      call(nodes[n % 3]!, 'GET', '/x', { token: `guess-${n}` }),
    );
    const statuses = (await Promise.all(guesses)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(20);
  });

  test('a quota of sessions is exact, although no server reads the records of the others', async () => {
    const token = createStaticToken(ALICE, { id: 'token:a', principal: 'alice', quota: { sessions: 2 } });
    const changes = { authenticators: [token], limits: { collectEveryMs: 2 ** 30 } };
    const { nodes } = await open(await startRedis(), changes);
    const sample = (target: string) =>
      transferOf(nodes[0].stores.content, target, [directory(''), file('a', 9)]);
    for (const node of nodes) await (await establish(node, sample('first'))).call('DELETE', '');
    const asking = [0, 1, 2, 3, 4, 5].map((n) => {
      const body = JSON.stringify(establishRequest(sample(`tree-${n}`), 'push', `/tree-${n}`));
      return call(nodes[n % 3]!, 'POST', '/.cairn/v1/sessions', { token: ALICE, body });
    });
    const statuses = (await Promise.all(asking)).map(({ status }) => status);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([201, 201, 403, 403, 403, 403]);
  });

  test.each(['goes back in time', 'is emptied', 'is killed', 'hangs'])(
    'a client that was replaced publishes nothing at any server after the Redis %s, and the newer one goes on',
    async (what) => {
      const redis = await startRedis();
      const { nodes, record, memories } = await open(redis);
      const stale = await pushed(nodes[0], treeOf(nodes[0], 'in'));
      await redis.note();
      const newer = at(nodes[1], stale);
      expect((await newer.resume(ALICE)).status).toBe(200);
      if (what === 'goes back in time') {
        await redis.goBack();
        await until(
          async () => (await memories[0]!.versionOf('x'), memories.every(({ isThere }) => isThere)),
        );
      } else if (what === 'is emptied') await redis.command('FLUSHALL');
      else if (what === 'is killed') await redis.kill();
      else redis.hang();
      for (const node of nodes) {
        expect((await at(node, stale).putChunk(0)).json.code).toBe('session-fenced');
        expect((await at(node, stale).commitToEnd()).json.code).toBe('session-fenced');
      }
      expect((await record(stale.terms.session))?.epoch).toBe(2);
      for (const node of nodes) expect((await at(node, newer).putChunk(0)).status).toBe(200);
      await until(async () => (await newer.commit()).json.state === 'committed');
      redis.goOn();
    },
  );
});
