/** Links that never stay up long enough for one whole chunk, and receivers that are killed in the middle of one. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, type CliEnvironment, type CliResult, type CliRun } from '../support/cli.ts';
import { startCuttingProxy, type CuttingProxy } from '../support/cutting-proxy.ts';
import { fetchPublished, startDiskServer, type TestServer } from '../support/servers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
/** One chunk: at this rate it takes twelve seconds, and no connection lives so long. */
const SIZE_BYTES = 3 * MIB;
const RATE = 250_000;
const CUT_EVERY_MS = 2_500;
/** What a killed receiver may lose: half a second until the sync, the sync, and what was on its way; on a busy machine. */
const LOSS_BYTES = 1.5 * RATE;

interface Scene {
  readonly server: TestServer;
  readonly proxy: CuttingProxy;
  readonly environment: CliEnvironment;
  readonly file: string;
  /** Where the bytes arrive: an URL of the server, or a local path. */
  readonly arrived: string;
  readonly words: readonly string[];
  /** Bytes that crossed the proxy in the direction of the receiver. */
  crossed(): number;
}

async function openScene(direction: 'push' | 'pull'): Promise<Scene> {
  const server = await startDiskServer();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, SIZE_BYTES);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  if (direction === 'pull') {
    const prepared = await cairn(['push', file, `${server.url}/file`], environment);
    expect(prepared, prepared.stderr).toMatchObject({ exitCode: 0 });
  }
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: RATE });
  onTestFinished(() => proxy.close());
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const arrived = path.join(temporaryDirectory(), 'arrived');
  const ends = direction === 'push' ? [file, url] : [url, arrived];
  return {
    server,
    proxy,
    environment,
    file,
    arrived,
    words: [direction, '--json', '--chunk-size', '8M', '--retry-for', '20s', ...ends],
    crossed: () => (direction === 'push' ? proxy.bytesUp : proxy.bytesDown),
  };
}

async function expectArrived(direction: 'push' | 'pull', scene: Scene): Promise<void> {
  if (direction === 'push') writeFileSync(scene.arrived, (await fetchPublished(scene.server, '/file')) ?? '');
  expect(digestOf(scene.arrived)).toBe(digestOf(scene.file));
}

/** Cuts every connection again and again; answers what had crossed at each cut. */
async function cutUntilOver(run: CliRun, scene: Scene): Promise<number[]> {
  const crossedAtCuts: number[] = [];
  let isOver = false;
  void run.result.then(() => (isOver = true));
  for (;;) {
    await Promise.race([sleep(CUT_EVERY_MS), run.result]);
    if (isOver) return crossedAtCuts;
    if (scene.proxy.cutAll() > 0) crossedAtCuts.push(scene.crossed());
  }
}

function ended(result: CliResult): void {
  expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { type: 'summary' } });
}

test.each(['push', 'pull'] as const)(
  'a %s of one chunk gets on steadily over a link that is cut before any chunk is through',
  async (direction) => {
    const scene = await openScene(direction);
    const run = startCairn(scene.words, scene.environment);
    const crossedAtCuts = await cutUntilOver(run, scene);
    ended(await run.result);
    await expectArrived(direction, scene);
    expect(crossedAtCuts.length).toBeGreaterThanOrEqual(4);
    const steps = crossedAtCuts.map((crossed, index) => crossed - (crossedAtCuts[index - 1] ?? 0));
    // Between the first cut, before which processes start, and the last: a tenth of what the line could carry, and more.
    for (const step of steps.slice(1)) expect(step).toBeGreaterThan((RATE * CUT_EVERY_MS) / 10_000);
    expect(scene.crossed()).toBeLessThanOrEqual(1.02 * SIZE_BYTES);
  },
);

test.each(['push', 'pull'] as const)(
  'a %s whose receiver is killed in the middle of a chunk loses the bytes of the last half second at most',
  async (direction) => {
    const scene = await openScene(direction);
    let run = startCairn(scene.words, scene.environment);
    const KILLS = 3;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await untilCrossed(scene, (kill * SIZE_BYTES) / (KILLS + 1));
      if (direction === 'push') {
        await scene.server.kill();
        await sleep(200);
        await scene.server.start();
      } else {
        run.child.kill('SIGKILL');
        await run.result;
        run = startCairn(scene.words, scene.environment);
      }
    }
    ended(await run.result);
    await expectArrived(direction, scene);
    expect(scene.crossed()).toBeLessThanOrEqual(1.02 * SIZE_BYTES + KILLS * LOSS_BYTES);
  },
);

async function untilCrossed(scene: Scene, bytes: number): Promise<void> {
  while (scene.crossed() < bytes) await sleep(20);
}
