/** What a receiver that is killed has lost, by its sync mode; and that nothing else depends on the mode. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { fetchPublished, startDiskServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 6 * MIB;
const KILL_AT_BYTES = 4 * MIB;
const RATE = 2 * MIB;
const WORDS = ['--json', '--chunk-size', '256K', '--parallel', '2', '--retry-for', '20s'];
/** Two chunks on their way and a half second until the sync, and twice that for a machine that is busy. */
const LOSS_BYTES = 2 * (2 * 256 * 1024 + RATE / 2);

/** Of the bytes that had crossed when the receiver was killed, those that it had lost. */
async function lossOf(direction: 'push' | 'pull', mode: string): Promise<number> {
  const server = await startDiskServer({ extraArgs: ['--sync', 'close'] });
  const [file, arrived] = [path.join(temporaryDirectory(), 'file'), path.join(temporaryDirectory(), 'copy')];
  writeRandomFile(file, SIZE_BYTES);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  if (direction === 'pull') {
    expect(await cairn(['push', file, `${server.url}/file`], environment)).toMatchObject({ exitCode: 0 });
  }
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: RATE });
  onTestFinished(() => proxy.close());
  const crossed = (): number => (direction === 'push' ? proxy.bytesUp : proxy.bytesDown);
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const ends = direction === 'push' ? [file, url] : [url, arrived];
  const words = [direction, '--sync', mode, ...WORDS, ...ends];
  let run = startCairn(words, environment);
  while (crossed() < KILL_AT_BYTES) await sleep(10);
  if (direction === 'push') {
    await server.kill();
    await server.start();
  } else {
    run.child.kill('SIGKILL');
    await run.result;
    run = startCairn(words, environment);
  }
  const result = await run.result;
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  if (direction === 'push') writeFileSync(arrived, (await fetchPublished(server, '/file')) ?? '');
  expect(digestOf(arrived)).toBe(digestOf(file));
  return crossed() - SIZE_BYTES;
}

test.each([
  ['push', 'always'],
  ['push', 'group'],
  ['pull', 'always'],
  ['pull', 'group'],
] as const)('a %s with --sync %s loses little with a killed receiver', async (direction, mode) => {
  expect(await lossOf(direction, mode)).toBeLessThan(LOSS_BYTES);
});

test.each(['push', 'pull'] as const)(
  'a %s with --sync close loses all bytes without a sync point, and arrives all the same',
  async (direction) => {
    expect(await lossOf(direction, 'close')).toBeGreaterThan(KILL_AT_BYTES - MIB);
  },
);

test('a push of a stream with --sync close gets through, since the client asks for syncs when its window is full', async () => {
  const server = await startDiskServer({ extraArgs: ['--sync', 'close'] });
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const pieces = Array.from({ length: 6 }, (_, n) => Buffer.alloc(4 * MIB, n));
  const result = await cairn(['push', '--sync', 'close', '-', `${server.url}/piped`], {
    ...environment,
    stdin: pieces,
  });
  expect(result, result.stderr).toMatchObject({ exitCode: 0 });
  expect((await fetchPublished(server, '/piped'))?.equals(Buffer.concat(pieces))).toBe(true);
});
