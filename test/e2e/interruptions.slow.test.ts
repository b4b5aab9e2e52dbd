import { statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  cairn,
  startCairn,
  untilLine,
  type CliEnvironment,
  type CliResult,
  type CliRun,
} from '../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import { createRandom } from '../support/random.ts';
import { BACKENDS, fetchPublished, type TestServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const SIZE_BYTES = 64 * MIB;
const CHUNK_BYTES = MIB;
const PARALLEL = 4;
/** Slow enough that every cut and kill finds the transfer in the middle. */
const RATE = 16 * MIB;

interface Scene {
  readonly server: TestServer;
  readonly proxy: CuttingProxy;
  /** URL through the proxy. */
  readonly url: string;
  readonly file: string;
  readonly environment: CliEnvironment;
  readonly args: readonly string[];
}

async function scene(start: () => Promise<TestServer>, bytesPerSecond = RATE): Promise<Scene> {
  const server = await start();
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond });
  onTestFinished(() => proxy.close());
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, SIZE_BYTES);
  return {
    server,
    proxy,
    url: `http://127.0.0.1:${proxy.port}/file`,
    file,
    environment: { stateHome: temporaryDirectory(), token: server.token },
    args: ['--json', '--chunk-size', '1M', '--parallel', String(PARALLEL), '--retry-for', '20s'],
  };
}

/** Pushes through no proxy, as the ground for a pull. */
async function prepare({ server, file }: Scene): Promise<void> {
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  expect(await cairn(['push', file, `${server.url}/file`], environment)).toMatchObject({ exitCode: 0 });
}

function command(direction: 'push' | 'pull', { args, file, url }: Scene, destination: string): string[] {
  return direction === 'push' ? ['push', ...args, file, url] : ['pull', ...args, url, destination];
}

/** Resolves in the middle of a transfer, when a sync point must have come. */
async function untilCheckpoint(run: CliRun): Promise<void> {
  await untilLine(run, (line) => Number(line['bytesDone']) > Number(line['bytesResumed']));
  await sleep(800);
}

function moved(result: CliResult): number {
  return Number(result.last['bytesSent'] ?? result.last['bytesReceived']);
}

async function expectArrived(direction: 'push' | 'pull', it: Scene, destination: string): Promise<void> {
  if (direction === 'pull') {
    expect(digestOf(destination)).toBe(digestOf(it.file));
    return;
  }
  const published = await fetchPublished(it.server, '/file');
  const copy = path.join(temporaryDirectory(), 'copy');
  writeFileSync(copy, published ?? '');
  expect(digestOf(copy)).toBe(digestOf(it.file));
}

describe.each(BACKENDS)('interruptions over $name', ({ start }) => {
  test.each(['push', 'pull'] as const)(
    'a %s through 20 cuts arrives whole, and sends little twice',
    async (direction) => {
      const it = await scene(start);
      if (direction === 'pull') await prepare(it);
      const destination = path.join(temporaryDirectory(), 'arrived');
      const random = createRandom(7);
      const run = startCairn(command(direction, it, destination), it.environment);
      let cuts = 0;
      const cutter = (async () => {
        while (cuts < 20 && run.child.exitCode === null) {
          await sleep(40 + random() * 100);
          if (it.proxy.cutAll() > 0) cuts += 1;
        }
      })();
      const result = await run.result;
      await cutter;
      expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { type: 'summary' } });
      await expectArrived(direction, it, destination);
      expect(cuts).toBeGreaterThanOrEqual(10);
      expect(moved(result)).toBeLessThanOrEqual(SIZE_BYTES + cuts * PARALLEL * CHUNK_BYTES);
    },
  );

  test.each(['push', 'pull'] as const)(
    'a %s whose client is killed again and again is finished by the same command',
    async (direction) => {
      const it = await scene(start);
      if (direction === 'pull') await prepare(it);
      const destination = path.join(temporaryDirectory(), 'arrived');
      const random = createRandom(11);
      for (let kill = 0; kill < 2; kill++) {
        const run = startCairn(command(direction, it, destination), it.environment);
        await untilCheckpoint(run);
        await sleep(random() * 200);
        run.child.kill('SIGKILL');
        await run.result;
      }
      const result = await cairn(command(direction, it, destination), it.environment);
      expect(result, result.stderr).toMatchObject({ exitCode: 0 });
      await expectArrived(direction, it, destination);
      expect(Number(result.last['bytesResumed'])).toBeGreaterThan(0);
      expect(moved(result)).toBeLessThanOrEqual(SIZE_BYTES - Number(result.last['bytesResumed']));
    },
  );

  test.each(['push', 'pull'] as const)(
    'a %s outlives a server that is killed and comes back',
    async (direction) => {
      const it = await scene(start);
      if (direction === 'pull') await prepare(it);
      const destination = path.join(temporaryDirectory(), 'arrived');
      const run = startCairn(command(direction, it, destination), it.environment);
      for (let kill = 0; kill < 2; kill++) {
        await untilLine(run, (line) => Number(line['bytesDone']) > (kill * SIZE_BYTES) / 4);
        await sleep(200);
        await it.server.kill();
        await sleep(300);
        await it.server.start();
      }
      const result = await run.result;
      expect(result, result.stderr).toMatchObject({ exitCode: 0 });
      expect(Number(result.last['retries'])).toBeGreaterThan(0);
      await expectArrived(direction, it, destination);
    },
  );

  test('a push whose client and server are killed at once is finished later, and the old file stays until then', async () => {
    const it = await scene(start);
    const old = path.join(temporaryDirectory(), 'old');
    writeFileSync(old, 'the old content');
    await cairn(['push', old, `${it.server.url}/file`], it.environment);
    for (let kill = 0; kill < 2; kill++) {
      const run = startCairn(command('push', it, ''), it.environment);
      await untilCheckpoint(run);
      run.child.kill('SIGKILL');
      await it.server.kill();
      await run.result;
      await it.server.start();
      expect((await fetchPublished(it.server, '/file'))?.toString()).toBe('the old content');
    }
    const result = await cairn(command('push', it, ''), it.environment);
    expect(result, result.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(result.last['bytesResumed'])).toBeGreaterThan(0);
    await expectArrived('push', it, '');
  });

  test('a push ends with 5 when its server stays away longer than --retry-for, and the next run resumes it', async () => {
    const it = await scene(start);
    const impatient = [...command('push', it, ''), '--retry-for', '1s'];
    const run = startCairn(impatient, it.environment);
    await untilCheckpoint(run);
    await it.server.kill();
    const first = await run.result;
    expect(first).toMatchObject({ exitCode: 5, last: { type: 'error', exitCode: 5 } });
    const listed = await cairn(['transfers', 'list', '--json'], it.environment);
    expect(listed.stdout.toString()).toContain('"push"');
    await it.server.start();
    const second = await cairn(impatient, it.environment);
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(second.last['bytesResumed'])).toBeGreaterThan(0);
    await expectArrived('push', it, '');
  });

  test('a push that SIGINT ends names the command that resumes it, and exits with 130', async () => {
    const it = await scene(start);
    const run = startCairn(command('push', it, ''), it.environment);
    await untilCheckpoint(run);
    run.child.kill('SIGINT');
    const first = await run.result;
    expect(first.exitCode).toBe(130);
    expect(first.stderr).toMatch(/to resume, run: .* push /);
    const second = await cairn(['transfers', 'resume'], it.environment);
    expect(second, second.stderr).toMatchObject({ exitCode: 0 });
    await expectArrived('push', it, '');
  });

  test('a push whose client lost its state goes on from the chunks of the server', async () => {
    const it = await scene(start);
    const run = startCairn(command('push', it, ''), it.environment);
    await untilCheckpoint(run);
    run.child.kill('SIGKILL');
    await run.result;
    const amnesiac = { ...it.environment, stateHome: temporaryDirectory() };
    const result = await cairn(command('push', it, ''), amnesiac);
    expect(result, result.stderr).toMatchObject({ exitCode: 0 });
    expect(Number(result.last['bytesResumed'])).toBeGreaterThan(0);
    expect(moved(result)).toBeLessThan(SIZE_BYTES);
    await expectArrived('push', it, '');
  });

  test('a second process for the same transfer exits with 8 while the first one lives', async () => {
    const it = await scene(start);
    const first = startCairn(command('push', it, ''), it.environment);
    await untilCheckpoint(first);
    const second = await cairn(command('push', it, ''), it.environment);
    expect(second.exitCode).toBe(8);
    expect((await first.result).exitCode).toBe(0);
  });

  test('a push whose source changes between two runs never arrives as a mixture', async () => {
    const it = await scene(start);
    const run = startCairn(command('push', it, ''), it.environment);
    await untilCheckpoint(run);
    run.child.kill('SIGKILL');
    await run.result;
    const { mtime, size } = statSync(it.file);
    writeRandomFile(it.file, size);
    const { utimesSync } = await import('node:fs');
    utimesSync(it.file, mtime, mtime);
    const result = await cairn(command('push', it, ''), it.environment);
    expect(result, result.stderr).toMatchObject({ exitCode: 0 });
    await expectArrived('push', it, '');
  });
});
