/** Pushes and pulls through haproxy, over three nodes and a bucket, while nodes and the gateway are killed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { cairn, type CliResult } from '../support/cli.ts';
import { hasProgram } from '../support/requirements.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CEPH_KEYS, gateway, hasCeph } from './support/ceph.ts';
import { type CephNodes, startCephNodes } from './support/ceph-nodes.ts';

const MIB = 1024 ** 2;
const LARGE_BYTES = 192 * MIB;
const PARALLEL = 4;
const OPTIONS = ['--json', '--chunk-size', '1M', '--parallel', String(PARALLEL), '--retry-for', '5m'];
/** So long all nodes are there between two kills. */
const KILL_EVERY_MS = 2000;

function writeTree(): string {
  const source = path.join(temporaryDirectory(), 'source');
  mkdirSync(path.join(source, 'small'), { recursive: true });
  writeRandomFile(path.join(source, 'large'), LARGE_BYTES);
  for (let n = 0; n < 40; n += 1)
    writeFileSync(path.join(source, 'small', String(n)), `${n} `.repeat(n * 20));
  return source;
}

/** Kills the nodes in turn until the work has ended; answers how often. */
async function killWhile({ kill, start, count }: CephNodes, work: Promise<unknown>): Promise<number> {
  const over = work.then(() => true);
  let kills = 0;
  while (!(await Promise.race([over, sleep(KILL_EVERY_MS, false)]))) {
    const index = kills % count;
    await kill(index);
    kills += 1;
    await sleep(300);
    await start(index);
  }
  return kills;
}

function told(what: string, kills: number, { last }: CliResult): void {
  const { bytesSent, bytesReceived, resumes, retries, durationMs } = last;
  console.info(what, JSON.stringify({ kills, bytesSent, bytesReceived, resumes, retries, durationMs }));
}

describe.skipIf(!hasCeph || !hasProgram('haproxy'))(
  'over Ceph and haproxy, which need their packages',
  () => {
    test('a push and a pull end well while nodes are killed, and send little twice', async () => {
      const nodes = await startCephNodes();
      const client = { stateHome: temporaryDirectory(), token: nodes.token };
      const source = writeTree();
      const pushing = cairn(['push', ...OPTIONS, source, `${nodes.url}/tree`], client);
      const pushKills = await killWhile(nodes, pushing);
      const pushed = await pushing;
      expect(pushed.exitCode, pushed.stderr).toBe(0);
      told('push', pushKills, pushed);
      const { bytesTotal, bytesSent } = pushed.last as Record<string, number>;
      // A kill costs at most the chunks that were under way.
      expect(bytesSent).toBeLessThanOrEqual(bytesTotal! + pushKills * PARALLEL * MIB);
      const copy = path.join(temporaryDirectory(), 'copy');
      const pulling = cairn(['pull', ...OPTIONS, `${nodes.url}/tree`, copy], client);
      const pullKills = await killWhile(nodes, pulling);
      const pulled = await pulling;
      expect(pulled.exitCode, pulled.stderr).toBe(0);
      told('pull', pullKills, pulled);
      expect(pictureOf(copy)).toEqual(pictureOf(source));
      expect(pushKills + pullKills).toBeGreaterThan(0);
    });

    test('a token that a command makes in the bucket counts at every node, until it is revoked', async () => {
      const { url, storeWords, count } = await startCephNodes();
      const command = { stateHome: temporaryDirectory(), env: CEPH_KEYS };
      const made = await cairn(['token', 'create', 'x', '--scope', 'list', ...storeWords, '--json'], command);
      const client = { stateHome: temporaryDirectory(), token: String(made.lines[0]?.['secret']) };
      const listAtEach = (): Promise<CliResult[]> =>
        Promise.all(Array.from({ length: count }, () => cairn(['ls', `${url}/`], client)));
      expect((await listAtEach()).map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
      const revoked = await cairn(['token', 'revoke', 'x', ...storeWords], command);
      expect(revoked.exitCode, revoked.stderr).toBe(0);
      const codes = async (): Promise<(number | null)[]> =>
        (await listAtEach()).map(({ exitCode }) => exitCode);
      await expect.poll(codes, { timeout: 60_000 }).toEqual([6, 6, 6]);
    });

    test('a push waits while the gateway is away, and goes on when it is back', async () => {
      const nodes = await startCephNodes();
      const client = { stateHome: temporaryDirectory(), token: nodes.token };
      const source = writeTree();
      const pushing = cairn(['push', ...OPTIONS, '--bwlimit', '8M', source, `${nodes.url}/tree`], client);
      await sleep(3000);
      gateway('kill-gateway');
      try {
        await sleep(3000);
      } finally {
        gateway('start-gateway');
      }
      const pushed = await pushing;
      expect(pushed.exitCode, pushed.stderr).toBe(0);
      told('push without a gateway for a while', 0, pushed);
      const copy = path.join(temporaryDirectory(), 'copy');
      const pulled = await cairn(['pull', ...OPTIONS, `${nodes.url}/tree`, copy], client);
      expect(pulled.exitCode, pulled.stderr).toBe(0);
      expect(pictureOf(copy)).toEqual(pictureOf(source));
    });
  },
);
