/** What five kills on the way of a changed file cost: of the client and of the server, while it is compared, carried and assembled. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type CliRun, startCairn } from '../support/cli.ts';
import { type CuttingProxy, startCuttingProxy } from '../support/cutting-proxy.ts';
import { createRandom } from '../support/random.ts';
import { type DiskServer, startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const NEW_BYTES = 32 * MIB;
/** So slow that what half a second brings, the most that a killed receiver loses, is little of the whole. */
const BYTES_PER_SECOND = MIB;
/** So small that sync points come more often than that: a finished chunk leads to one. */
const CHUNK_SIZE = '256K';
const MOST = 1.05;

type Side = 'client' | 'server';

/** A kill: at a request, or once so many bytes have crossed in all. */
type Moment = { readonly side: Side } & ({ readonly request: string } | { readonly bytes: number });

interface Scene {
  readonly server: DiskServer;
  readonly proxy: CuttingProxy;
  readonly start: () => CliRun;
  /** Whether the new version has arrived. */
  readonly isThere: () => boolean;
}

/** An older version at the destination, and a newer one at the source, with a line between. */
async function openScene(
  direction: 'push' | 'pull',
  files: { readonly older: string; readonly newer: string },
  bytesPerSecond?: number,
): Promise<Scene> {
  const server = await startDiskServer();
  const local = path.join(temporaryDirectory(), 'file');
  const remote = path.join(server.root, 'file');
  copyFileSync(files.newer, direction === 'push' ? local : remote);
  copyFileSync(files.older, direction === 'push' ? remote : local);
  const proxy = await startCuttingProxy({
    targetPort: server.port,
    ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }),
  });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const options = [
    '--chunk-size',
    CHUNK_SIZE,
    '--parallel',
    '2',
    '--retry-for',
    '60s',
    '--compress',
    'never',
  ];
  const command = [direction, '--json', ...options, ...(direction === 'push' ? [local, url] : [url, local])];
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const destination = direction === 'push' ? remote : local;
  return {
    server,
    proxy,
    start: () => startCairn(command, environment),
    isThere: () => readFileSync(destination).equals(readFileSync(files.newer)),
  };
}

const crossed = ({ bytesUp, bytesDown }: CuttingProxy): number => bytesUp + bytesDown;

function makeFiles(): { older: string; newer: string } {
  const folder = path.join(temporaryDirectory(), 'files');
  mkdirSync(folder);
  const [older, newer] = [path.join(folder, 'older'), path.join(folder, 'newer')];
  writeRandomFile(older, 64 * MIB);
  writeRandomFile(newer, NEW_BYTES);
  const [old, middle] = [readFileSync(older), readFileSync(newer)];
  writeFileSync(newer, Buffer.concat([old.subarray(0, 30 * MIB), middle, old.subarray(30 * MIB + 777)]));
  return { older, newer };
}

/** Resolves at the moment. */
async function reach({ proxy }: Scene, moment: Moment, run: CliRun): Promise<void> {
  if ('request' in moment) {
    await new Promise<void>((resolve) => {
      proxy.onRequest(({ path: target }) => {
        if (target.endsWith(moment.request)) resolve();
        return 'pass';
      });
    });
    return;
  }
  while (crossed(proxy) < moment.bytes) {
    if (run.child.exitCode !== null) throw new Error(`ended too early: ${(await run.result).stderr}`);
    await delay(20);
  }
}

test.each(['push', 'pull'] as const)(
  'a %s of a changed file that is killed five times carries at most 1.05 times as many bytes',
  async (direction) => {
    const files = makeFiles();
    const calm = await openScene(direction, files);
    const whole = await calm.start().result;
    expect(whole, whole.stderr).toMatchObject({ exitCode: 0 });
    const usual = crossed(calm.proxy);
    expect(usual).toBeLessThan(NEW_BYTES + MIB);

    const scene = await openScene(direction, files, BYTES_PER_SECOND);
    const random = createRandom(17);
    const [early, middle, late] = [0.1, 0.4, 0.7].map((from) => (from + 0.2 * random()) * usual);
    const moments: Moment[] = [
      { side: 'client', request: '/blocks' },
      { side: 'client', bytes: early! },
      { side: 'server', bytes: middle! },
      { side: 'client', bytes: late! },
      { side: 'server', request: '/commit' },
    ];
    let run = scene.start();
    for (const moment of moments) {
      await reach(scene, moment, run);
      if (moment.side === 'client') {
        run.child.kill('SIGKILL');
        await run.result;
        run = scene.start();
      } else {
        await scene.server.kill();
        await scene.server.start();
      }
    }
    const ended = await run.result;
    expect(ended, ended.stderr).toMatchObject({ exitCode: 0 });
    expect(scene.isThere()).toBe(true);
    expect(crossed(scene.proxy)).toBeLessThan(MOST * usual);
  },
);
