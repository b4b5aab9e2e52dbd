import { inspect } from 'node:util';
import * as iovalkey from 'iovalkey';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { openRedisLink, type RedisLink } from '../../../../src/storage/state/redis/redis-link.ts';
import { createRedisMemory } from '../../../../src/storage/state/redis/redis-memory.ts';
import type { SharedMemory } from '../../../../src/storage/state/shared-memory.ts';
import { createMemoryHub } from '../../../support/memory-stores/memory-shared-memory.ts';
import { hasRedis, startRedis, type TestRedis } from '../../../support/redis.ts';
import { sharedMemorySuite } from '../../../suites/shared-memory.ts';
import { codeOf } from '../../../suites/staged-transfer.ts';

interface Line {
  readonly level: 'info' | 'warn';
  readonly message: string;
  readonly fields: object;
}

interface Opened {
  readonly memory: SharedMemory;
  readonly link: RedisLink;
  readonly lines: readonly Line[];
  readonly clock: { ms: number };
}

interface How {
  readonly username?: string;
  readonly password?: string;
  readonly storeId?: string;
  readonly answerMs?: number;
}

/** As a node opens it; but a machine with much else to do gets more time for an answer. */
async function open(
  { port }: Pick<TestRedis, 'port'>,
  { username, password, storeId = 'store', answerMs = 5000 }: How = {},
): Promise<Opened> {
  const lines: Line[] = [];
  const note = (level: Line['level']) => (fields: object, message: string) =>
    void lines.push({ level, message, fields });
  const place = {
    host: '127.0.0.1',
    port,
    isTls: false,
    database: 0,
    username,
    password,
    shown: 'r',
  };
  const clock = { ms: 0 };
  const link = await openRedisLink(place, {
    log: { info: note('info'), warn: note('warn') },
    now: () => clock.ms,
    answerMs,
  });
  onTestFinished(() => link.close());
  return { memory: createRedisMemory(link, storeId), link, lines, clock };
}

sharedMemorySuite('a memory of nodes in one process', async (nodes) => {
  const hub = createMemoryHub();
  return Array.from({ length: nodes }, () => hub.node());
});

it('a Redis that gives names of entries which no Redis gives is not asked again and again for one text', async () => {
  let asked = 0;
  const answers: unknown[] = [
    ['0-0', []],
    ['x', []],
    ['5-1', [['5', ['t', 'a b']]]],
  ];
  const client = { eval: async () => answers[asked++] };
  const link = { ask: async (question: (client: unknown) => Promise<unknown>) => question(client) };
  const memory = createRedisMemory(link as unknown as RedisLink, 'store');
  for (let count = 1; count <= answers.length; count += 1) {
    expect(await memory.append('text')).toBeUndefined();
    expect(asked).toBe(count);
  }
});

it.each([
  [9e15, 60_000],
  [-5, 0],
])('a window of which Redis says that %i ms are left has %i ms left', async (said, leftMs) => {
  const client = { eval: async () => [3, said] };
  const link = { ask: async (question: (client: unknown) => Promise<unknown>) => question(client) };
  const memory = createRedisMemory(link as unknown as RedisLink, 'store');
  expect(await memory.count('k', 60_000)).toEqual({ count: 3, leftMs });
});

describe.skipIf(!hasRedis)('over a real Redis, which has to be installed', () => {
  sharedMemorySuite('the memory in Redis', async (nodes) => {
    const redis = await startRedis();
    return Promise.all(Array.from({ length: nodes }, async () => (await open(redis)).memory));
  });

  it('several stores share one Redis, and see nothing of each other', async () => {
    const redis = await startRedis();
    const [one, other] = [
      (await open(redis, { storeId: 'a' })).memory,
      (await open(redis, { storeId: 'b' })).memory,
    ];
    await one.noteVersion('s', 1);
    await one.append('text');
    await one.count('k', 60_000);
    expect(await other.versionOf('s')).toBeUndefined();
    expect(await other.append('text')).toEqual([]);
    expect(await other.count('k', 60_000)).toMatchObject({ count: 1 });
  });

  it('everything that is kept in Redis has an end', async () => {
    const redis = await startRedis();
    const { memory } = await open(redis);
    await memory.noteVersion('s', 1);
    await memory.append('text');
    await memory.count('k', 60_000);
    const keys = (await redis.command('KEYS', '*')) as string[];
    expect(keys).toHaveLength(3);
    for (const key of keys) expect(await redis.command('PTTL', key), key).toBeGreaterThan(0);
  });

  it('the list of Redis has a bound, however much is appended', async () => {
    const redis = await startRedis();
    const { memory } = await open(redis);
    for (let count = 0; count < 9000; count += 1) await memory.append('x');
    const [key] = (await redis.command('KEYS', '*list')) as string[];
    expect(await redis.command('XLEN', key!)).toBeLessThan(4096 + 200);
  });

  it('a Redis that hangs is asked three times, then left alone, and said so once; then it is asked again', async () => {
    const redis = await startRedis();
    const { memory, lines, clock } = await open(redis, { answerMs: 300 });
    expect(await memory.versionOf('s')).toBeUndefined();
    redis.hang();
    for (let count = 0; count < 10; count += 1) expect(await memory.count('k', 60_000)).toBeUndefined();
    expect(memory.asked).toEqual({ answered: 1, failed: 3, skipped: 7 });
    expect(memory.isThere).toBe(false);
    expect(lines.map(({ level }) => level)).toEqual(['warn']);
    redis.goOn();
    await expect
      .poll(
        async () => {
          clock.ms += 1000;
          return (await memory.count('k', 60_000)) !== undefined;
        },
        { timeout: 20_000 },
      )
      .toBe(true);
    expect(memory.isThere).toBe(true);
    expect(lines.at(-1)).toMatchObject({ level: 'info' });
    expect(lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('a Redis that was killed and is back is used again, and its listeners are told that they may have missed something', async () => {
    const redis = await startRedis();
    const [one, other] = [await open(redis), await open(redis)];
    let begun = 0;
    const heard: string[] = [];
    one.memory.listen((keys) => {
      if (keys === undefined) begun += 1;
      else heard.push(...keys);
    });
    await expect.poll(() => begun).toBe(1);
    await redis.kill();
    expect(await one.memory.versionOf('s')).toBeUndefined();
    await redis.start();
    await expect.poll(() => begun, { timeout: 20_000 }).toBe(2);
    await expect
      .poll(
        async () => {
          other.clock.ms += 1000;
          await other.memory.ring(['k']);
          return heard.length > 0;
        },
        { timeout: 20_000 },
      )
      .toBe(true);
  });

  it('a Redis that goes back in time tells a node everything that it has of others', async () => {
    const redis = await startRedis();
    const [one, other] = [await open(redis), await open(redis)];
    await one.memory.append('a');
    await redis.note();
    await one.memory.append('b');
    expect(await other.memory.append('c')).toEqual(['a', 'b']);
    await redis.goBack();
    const again = async (node: Opened, text: string): Promise<readonly string[]> => {
      let answer: readonly string[] | undefined;
      await expect
        .poll(
          async () => {
            node.clock.ms += 1000;
            answer = await node.memory.append(text);
            return answer !== undefined;
          },
          { timeout: 20_000 },
        )
        .toBe(true);
      return answer!;
    };
    expect(await again(one, 'd')).toEqual([]);
    expect(await again(other, 'e')).toEqual(['d']);
  });

  it('a server whose Redis is away starts all the same, and uses it once it is there', async () => {
    const redis = await startRedis();
    await redis.kill();
    const { memory, lines, clock } = await open(redis);
    expect(await memory.count('k', 60_000)).toBeUndefined();
    expect(lines).toHaveLength(1);
    await redis.start();
    await expect
      .poll(
        async () => {
          clock.ms += 1000;
          return memory.count('k', 60_000);
        },
        { timeout: 20_000 },
      )
      .toMatchObject({ count: 1 });
  });

  it('a Redis that hangs delays no start for long, and is used once it goes on', async () => {
    const redis = await startRedis();
    redis.hang();
    const { memory, clock } = await open(redis, { answerMs: 100 });
    expect(await memory.count('k', 60_000)).toBeUndefined();
    redis.goOn();
    await expect
      .poll(
        async () => {
          clock.ms += 1000;
          return memory.count('k', 60_000);
        },
        { timeout: 20_000 },
      )
      .toBeDefined();
  });

  it('a password that is changed while a server runs stands in no line of its log', async () => {
    const redis = await startRedis(['--requirepass', 'first-secret']);
    const { memory, lines } = await open(redis, { password: 'first-secret' });
    const administrator = new iovalkey.Redis({ port: redis.port, password: 'first-secret' });
    onTestFinished(() => administrator.disconnect());
    await administrator.config('SET', 'requirepass', 'second-secret');
    await administrator.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await memory.versionOf('s')).toBeUndefined();
    expect(JSON.stringify(lines)).not.toContain('secret');
    const shown = lines.map(({ fields }) => inspect(fields, { depth: 9 })).join('');
    expect(shown).toContain('reason');
    expect(shown).not.toContain('secret');
  });

  it('a Redis that refuses the channel keeps its connection, and is asked again some seconds later', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    const redis = await startRedis();
    await redis.command('ACL', 'SETUSER', 'node', 'on', '>word', '~*', '+@all', 'resetchannels');
    const { memory, lines } = await open(redis, { username: 'node', password: 'word' });
    let begun = 0;
    memory.listen((keys) => void (begun += keys === undefined ? 1 : 0));
    await expect.poll(() => lines.length, { timeout: 20_000 }).toBe(1);
    const connections = async (): Promise<readonly string[]> =>
      ((await redis.command('CLIENT', 'LIST')) as string).match(/id=[0-9]+(?=.* user=node)/g) ?? [];
    const before = await connections();
    expect(before).toHaveLength(2);
    await memory.noteVersion('s', 1);
    expect(await connections()).toEqual(before);
    await redis.command('ACL', 'SETUSER', 'node', 'allchannels');
    await vi.advanceTimersByTimeAsync(5000);
    await expect.poll(() => begun, { timeout: 20_000 }).toBe(1);
  });

  it('a wrong password, or none, is refused at the start', async () => {
    const redis = await startRedis(['--requirepass', 'right']);
    const refused = await open(redis, { password: 'wrong-secret' }).catch((error: unknown) => error);
    expect(inspect(refused, { depth: 9 })).not.toContain('wrong-secret');
    expect(await codeOf(() => open(redis))).toBe('config-invalid');
    expect(await codeOf(() => open(redis, { password: 'wrong' }))).toBe('config-invalid');
    expect(await (await open(redis, { password: 'right' })).memory.count('k', 1000)).toMatchObject({
      count: 1,
    });
  });
});
