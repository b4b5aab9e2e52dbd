import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferSummary } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import type { SyncMode } from '../../src/session/sync-mode.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { codeOf, openScene, type Scene } from './support/scene.ts';

const MIB = 1024 * 1024;
/** One chunk, which takes one second. */
const SIZE = 2 * MIB;
const RATE = 2 * MIB;

interface Job {
  readonly scene: Scene;
  /** The staged file in which the first bytes of the chunk are. */
  readonly staged: () => string;
  run(changes?: Partial<TransferOptions>): Promise<TransferSummary>;
  /** Runs until so many bytes have crossed the line, and is then ended by its signal. */
  runUntil(bytes: number): Promise<void>;
  expectArrived(): Promise<void>;
}

async function openJob(direction: 'push' | 'pull', sync: SyncMode = 'group'): Promise<Job> {
  const scene = await openScene('disk', { bytesPerSecond: RATE, sync });
  const directory = temporaryDirectory();
  const file = path.join(directory, 'file');
  const arrived = path.join(directory, 'arrived');
  writeRandomFile(file, SIZE);
  if (direction === 'pull') {
    await push([file], scene.options('/file', { stateHome: temporaryDirectory() }));
    scene.events.length = 0;
  }
  const run = (changes: Partial<TransferOptions> = {}): Promise<TransferSummary> => {
    const options = scene.options('/file', { chunkSizeBytes: 4 * MIB, sync, ...changes });
    return direction === 'push' ? push([file], options) : pull(arrived, options);
  };
  // What the client has given to its socket may be anywhere.
  const crossed = (): number => (direction === 'push' ? scene.proxy.bytesUp : scene.proxy.bytesDown);
  return {
    scene,
    run,
    staged: () => {
      const area = path.join(direction === 'push' ? scene.root : directory, '.cairn/staging');
      return path.join(area, readdirSync(area)[0]!, 'c0');
    },
    runUntil: async (bytes) => {
      const controller = new AbortController();
      const running = codeOf(run({ signal: controller.signal }));
      const target = crossed() + bytes;
      while (crossed() < target) await sleep(5);
      controller.abort(new CairnError('interrupted', 'stop'));
      expect(await running).toBe('interrupted');
    },
    expectArrived: async () => {
      if (direction === 'push') writeFileSync(arrived, (await scene.fetch('/file')) ?? '');
      expect(digestOf(arrived)).toBe(digestOf(file));
    },
  };
}

describe.each(['push', 'pull'] as const)('a %s that stops in its only chunk', (direction) => {
  test.each(['always', 'group', 'close'] as const)(
    'a transfer goes on inside its only chunk, also after a restart of the server, with sync %s',
    async (sync) => {
      const job = await openJob(direction, sync);
      await job.runUntil(MIB);
      await job.scene.kill();
      await job.scene.start();
      const summary = await job.run();
      await job.expectArrived();
      expect(summary.bytesResumed).toBeGreaterThan(MIB / 2);
      expect(summary.bytesMoved + summary.bytesResumed).toBe(SIZE);
    },
  );

  test('a transfer whose partial chunk is wrong finds that out, and starts that chunk over by itself', async () => {
    const job = await openJob(direction);
    await job.runUntil(MIB);
    await job.scene.kill();
    const mixed = readFileSync(job.staged());
    mixed[1000]! ^= 1;
    writeFileSync(job.staged(), mixed);
    await job.scene.start();
    const summary = await job.run();
    await job.expectArrived();
    expect(summary.retries).toBeGreaterThanOrEqual(1);
    // The rest of the partial chunk, for nothing; and then all of it.
    expect(summary.bytesMoved + summary.bytesResumed).toBe(2 * SIZE);
    expect(existsSync(path.join(job.scene.root, '.cairn/staging'))).toBe(false);
  });
});
