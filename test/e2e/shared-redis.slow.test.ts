/** `cairn serve --store --redis`, three of them, while their Redis is killed, emptied, stopped, and put back in time. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startBalancer } from '../support/balancer.ts';
import { cairn, startCairn, untilLine } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { hasRedis, startRedis, type TestRedis } from '../support/redis.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 ** 2;
const NODES = 3;
/** Slow enough that the Redis has every fault while chunks are on their way. */
const OPTIONS = [
  '--json',
  '--chunk-size',
  '256K',
  '--parallel',
  '4',
  '--bwlimit',
  '4M',
  '--compress',
  'never',
];

interface Served {
  readonly url: string;
  readonly urls: readonly string[];
  readonly token: string;
  readonly storeWords: readonly string[];
}

async function startNodes(redisUrl: string): Promise<Served> {
  const store = path.join(temporaryDirectory(), 'store');
  mkdirSync(store, { mode: 0o700 });
  const ports: number[] = [];
  let token = '';
  for (let count = 0; count < NODES; count += 1) {
    const port = await freePort();
    const words = ['serve', '--store', store, '--listen', `127.0.0.1:${port}`, '--json'];
    const env = { CAIRN_REDIS: redisUrl };
    const run = startCairn(words, { stateHome: temporaryDirectory(), env });
    const { tokenFile } = await untilLine(run, ({ type }) => type === 'listening');
    if (token === '') token = readFileSync(String(tokenFile), 'utf8').trim();
    ports.push(port);
  }
  const balancer = await startBalancer(() => ports);
  onTestFinished(() => balancer.close());
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  return { url: balancer.url, urls, token, storeWords: ['--store', store] };
}

/** One fault after the other until the work is over; answers how many. */
async function disturb(redis: TestRedis, work: Promise<unknown>): Promise<number> {
  const over = work.then(() => true);
  await redis.note();
  const faults: (() => Promise<void>)[] = [
    async () => void (await redis.command('FLUSHALL')),
    async () => {
      await redis.kill();
      await sleep(400);
      await redis.start();
    },
    () => redis.goBack(),
    async () => {
      redis.hang();
      await sleep(600);
      redis.goOn();
    },
  ];
  let count = 0;
  while (!(await Promise.race([over, sleep(300, false)]))) {
    await faults[count % faults.length]!();
    count += 1;
  }
  return count;
}

describe.skipIf(!hasRedis)('three servers and a real Redis, which has to be installed', () => {
  test('a push and a pull end well whatever becomes of the Redis, and nothing is sent twice', async () => {
    const redis = await startRedis();
    const { url, token } = await startNodes(redis.url);
    const client = { stateHome: temporaryDirectory(), token };
    const source = path.join(temporaryDirectory(), 'source');
    mkdirSync(path.join(source, 'small'), { recursive: true });
    writeRandomFile(path.join(source, 'large'), 16 * MIB);
    for (let n = 0; n < 40; n += 1) writeFileSync(path.join(source, 'small', String(n)), `${n} `.repeat(n));
    const pushing = cairn(['push', ...OPTIONS, source, `${url}/tree`], client);
    const faults = await disturb(redis, pushing);
    const pushed = await pushing;
    expect(pushed.exitCode, pushed.stderr).toBe(0);
    const { bytesSent, bytesTotal, resumes } = pushed.last;
    expect([bytesSent, resumes]).toEqual([bytesTotal, 0]);
    const copy = path.join(temporaryDirectory(), 'copy');
    const pulling = cairn(['pull', ...OPTIONS, `${url}/tree`, copy], client);
    const more = await disturb(redis, pulling);
    const pulled = await pulling;
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    expect([pulled.last['bytesReceived'], pulled.last['resumes']]).toEqual([bytesTotal, 0]);
    expect(pictureOf(copy)).toEqual(pictureOf(source));
    expect(faults + more).toBeGreaterThanOrEqual(4);
  });

  test('wrong tokens are counted over all servers, and a token that a command revokes ends at each of them', async () => {
    const redis = await startRedis();
    const { urls, storeWords } = await startNodes(redis.url);
    const command = { stateHome: temporaryDirectory() };
    const made = await cairn(['token', 'create', 'x', '--scope', 'list', ...storeWords, '--json'], command);
    const authorization = `Bearer ${String(made.lines[0]?.['secret'])}`;
    const statusesOf = (headers: Record<string, string>): Promise<number[]> =>
      Promise.all(urls.map(async (url) => (await fetch(`${url}/`, { headers })).status));
    expect(await statusesOf({ authorization })).toEqual([200, 200, 200]);
    const statuses: number[] = [];
    for (let round = 0; round < 5; round += 1)
      statuses.push(...(await statusesOf({ authorization: 'Bearer wrong' })));
    // Five at each server: one that counted for itself alone would refuse none.
    expect(statuses).toContain(429);
    expect(statuses.filter((status) => status === 401).length).toBeGreaterThanOrEqual(10);
    // A valid token is good from every address.
    expect(await statusesOf({ authorization })).toEqual([200, 200, 200]);
    expect((await cairn(['token', 'revoke', 'x', ...storeWords], command)).exitCode).toBe(0);
    await expect.poll(() => statusesOf({ authorization }), { timeout: 60_000 }).not.toContain(200);
  });
});
