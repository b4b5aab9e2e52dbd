import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferEvent, TransferSummary } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { push } from '../../src/client/push.ts';
import { listTransfers, removeTransfer, showTransfer } from '../../src/client/transfers.ts';
import { SELECT_ALL } from '../../src/manifest/selection.ts';
import { createRandom } from '../support/random.ts';
import { digestOf, pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { codeOf, KINDS, openScene, type Scene } from './support/scene.ts';

const MIB = 1024 * 1024;
const SIZE = 12 * MIB;
const RATE = 8 * MIB;
const BIG_CHUNK = 256 * 1024;
const PARALLEL = 4;

interface Job {
  readonly scene: Scene;
  readonly file: string;
  readonly arrived: string;
  run(changes?: Partial<TransferOptions>): Promise<TransferSummary>;
  /** Runs until so many bytes have moved, and is then ended by its signal. */
  runUntil(bytes: number): Promise<string>;
  /** Resolves once so many bytes of the next or current run have moved. */
  moved(bytes: number): Promise<void>;
  expectArrived(): Promise<void>;
}

async function openJob(direction: 'push' | 'pull', kind: (typeof KINDS)[number]): Promise<Job> {
  const scene = await openScene(kind, { bytesPerSecond: RATE });
  const directory = temporaryDirectory();
  const file = path.join(directory, 'file');
  const arrived = path.join(directory, 'arrived');
  writeRandomFile(file, SIZE);
  if (direction === 'pull') {
    await push([file], scene.options('/file', { chunkSizeBytes: MIB, stateHome: temporaryDirectory() }));
    scene.events.length = 0;
  }
  const run = (changes: Partial<TransferOptions> = {}): Promise<TransferSummary> => {
    const options = scene.options('/file', { chunkSizeBytes: BIG_CHUNK, parallel: PARALLEL, ...changes });
    return direction === 'push' ? push([file], options) : pull(arrived, options);
  };
  const moved = async (bytes: number): Promise<void> => {
    const from = scene.events.length;
    const sum = (): number =>
      scene.events
        .slice(from)
        .reduce((total, event) => total + (event.type === 'bytes' ? event.bytes : 0), 0);
    while (sum() < bytes) await sleep(5);
  };
  return {
    scene,
    file,
    arrived,
    run,
    moved,
    runUntil: async (bytes) => {
      const controller = new AbortController();
      const running = codeOf(run({ signal: controller.signal }));
      await moved(bytes);
      controller.abort(new CairnError('interrupted', 'stop'));
      return running;
    },
    expectArrived: async () => {
      if (direction === 'pull') return expect(digestOf(arrived)).toBe(digestOf(file));
      writeFileSync(arrived, (await scene.fetch('/file')) ?? '');
      expect(digestOf(arrived)).toBe(digestOf(file));
    },
  };
}

describe.each(['push', 'pull'] as const)('a %s', (direction) => {
  describe.each(KINDS)('at a %s server', (kind) => {
    test('a transfer goes through many cuts, and sends little twice', async () => {
      const job = await openJob(direction, kind);
      const random = createRandom(7);
      let cuts = 0;
      const life = { isOver: false };
      const cutter = (async () => {
        while (cuts < 12 && !life.isOver) {
          await sleep(40 + random() * 80);
          if (job.scene.proxy.cutAll() > 0) cuts += 1;
        }
      })();
      const summary = await job.run().finally(() => (life.isOver = true));
      await cutter;
      await job.expectArrived();
      expect(cuts).toBeGreaterThan(5);
      expect(summary.retries).toBeGreaterThan(0);
      expect(summary.bytesMoved).toBeLessThanOrEqual(SIZE + cuts * PARALLEL * BIG_CHUNK);
    });

    test('a transfer that is interrupted goes on where it was, and its record shows how far it is', async () => {
      const job = await openJob(direction, kind);
      expect(await job.runUntil(6 * MIB)).toBe('interrupted');
      const [info] = await listTransfers(job.scene.stateHome);
      expect(info).toMatchObject({ direction, bytesTotal: SIZE, locked: false, state: 'transferring' });
      expect(info!.bytesDone).toBeGreaterThan(0);
      expect(info!.durationMs).toBeGreaterThan(0);
      expect(await showTransfer(job.scene.stateHome, info!.id.slice(0, 6))).toEqual(info);
      const summary = await job.run();
      await job.expectArrived();
      expect(summary.bytesResumed).toBeGreaterThanOrEqual(info!.bytesDone);
      expect(summary.bytesMoved + summary.bytesResumed).toBeLessThanOrEqual(
        SIZE + (kind === 'memory' ? MIB : 0),
      );
      expect(summary.resumes).toBe(1);
      expect(await listTransfers(job.scene.stateHome)).toEqual([]);
    });

    test('a transfer outlives a server that is killed and comes back', async () => {
      const job = await openJob(direction, kind);
      const running = job.run();
      for (let kill = 0; kill < 2; kill += 1) {
        await job.moved(3 * MIB);
        await job.scene.kill();
        await sleep(200);
        await job.scene.start();
      }
      const summary = await running;
      await job.expectArrived();
      expect(summary.retries).toBeGreaterThan(0);
      expect(summary.bytesMoved).toBeLessThan(2 * SIZE);
    });

    test('a transfer whose client has lost its state finds its session again', async () => {
      const job = await openJob(direction, kind);
      await job.runUntil(6 * MIB);
      rmSync(path.join(job.scene.stateHome, 'transfers'), { recursive: true });
      const summary = await job.run();
      await job.expectArrived();
      expect(summary.bytesResumed).toBeGreaterThan(0);
      expect(summary.bytesMoved).toBeLessThan(SIZE);
    });
  });

  test('a transfer gives up when the server stays away, and keeps what has arrived', async () => {
    const job = await openJob(direction, 'disk');
    const running = codeOf(job.run({ retryForMs: 400 }));
    await job.moved(6 * MIB);
    await sleep(600); // the server makes a sync point every half second
    await job.scene.kill();
    const code = await running;
    expect(['network', 'timeout']).toContain(code);
    expect(job.scene.events.some(({ type }) => type === 'waiting')).toBe(true);
    await job.scene.start();
    const summary = await job.run();
    await job.expectArrived();
    expect(summary.bytesResumed).toBeGreaterThan(0);
  });

  test('a transfer whose session is gone starts over', async () => {
    const job = await openJob(direction, 'disk');
    await job.runUntil(6 * MIB);
    const copy = `${job.scene.stateHome}-copy`;
    const [info] = await listTransfers(job.scene.stateHome);
    cpSync(job.scene.stateHome, copy, { recursive: true });
    const { token, retryForMs, signal, report } = job.scene.options('/file');
    await removeTransfer(job.scene.stateHome, info!.id, { abort: { token, retryForMs, signal, report } });
    expect(await listTransfers(job.scene.stateHome)).toEqual([]);
    rmSync(job.scene.stateHome, { recursive: true });
    renameSync(copy, job.scene.stateHome);
    await job.run();
    await job.expectArrived();
    expect(readdirSync(path.join(job.scene.stateHome, 'transfers'))).toEqual([]);
  });

  test('a transfer that another process works on is refused at once', async () => {
    const job = await openJob(direction, 'disk');
    const running = job.run();
    await job.moved(MIB);
    expect((await listTransfers(job.scene.stateHome))[0]).toMatchObject({ locked: true });
    expect(await codeOf(job.run())).toBe('transfer-locked');
    await running;
    await job.expectArrived();
  });
});

/** The same transfer under another state home, as another machine would have it. */
function copyOfState(stateHome: string): string {
  const copy = temporaryDirectory();
  cpSync(stateHome, copy, { recursive: true });
  for (const name of readdirSync(copy, { recursive: true, encoding: 'utf8' })) {
    if (path.basename(name).startsWith('lock')) rmSync(path.join(copy, name));
  }
  return copy;
}

test.each(['push', 'pull'] as const)(
  'a %s that a client with a copy of its state takes over stops, and the newer one finishes',
  async (direction) => {
    const job = await openJob(direction, 'disk');
    const older = codeOf(job.run());
    await job.moved(3 * MIB);
    const newer = job.run({ stateHome: copyOfState(job.scene.stateHome) });
    expect(await older).toBe('session-fenced');
    await newer;
    await job.expectArrived();
  },
);

test.each(['push', 'pull'] as const)(
  'an interrupted %s is listed with what it leaves out',
  async (direction) => {
    const scene = await openScene('disk', { bytesPerSecond: RATE });
    const local = temporaryDirectory();
    const source = direction === 'push' ? local : path.join(scene.root, 'tree');
    mkdirSync(path.join(source, 'logs'), { recursive: true });
    writeRandomFile(path.join(source, 'file'), SIZE);
    writeFileSync(path.join(source, 'logs', 'a.log'), 'a');
    writeFileSync(path.join(source, 'b.log'), 'b');
    execFileSync('mkfifo', [path.join(source, 'pipe')]);
    const controller = new AbortController();
    const options = scene.options('/tree', {
      chunkSizeBytes: BIG_CHUNK,
      selection: { ...SELECT_ALL, rules: [{ pattern: '*.log', from: '--exclude' }] },
      signal: controller.signal,
      report: ({ type }) => {
        if (type === 'bytes') controller.abort(new CairnError('interrupted', 'stop'));
      },
    });
    const running = direction === 'push' ? push([local], options) : pull(local, options);
    expect(await codeOf(running)).toBe('interrupted');
    expect(await listTransfers(scene.stateHome)).toMatchObject([{ direction, excluded: 1, unselected: 2 }]);
  },
);

test('two pulls to the same destination that know nothing of each other both end well', async () => {
  const job = await openJob('pull', 'disk');
  const first = job.run();
  await job.moved(3 * MIB);
  const second = job.run({ stateHome: temporaryDirectory() });
  await Promise.all([first, second]);
  await job.expectArrived();
  expect(readdirSync(path.dirname(job.arrived)).toSorted()).toEqual(['arrived', 'file']);
});

test('a source that changes between two runs of a push never arrives as a mixture', async () => {
  const job = await openJob('push', 'disk');
  await job.runUntil(6 * MIB);
  const { mtime } = statSync(job.file);
  writeRandomFile(job.file, SIZE);
  utimesSync(job.file, mtime, mtime);
  const summary = await job.run();
  expect(summary.excluded).toBe(0);
  await job.expectArrived();
});

test('a second pass after a resumed push brings what changed meanwhile', async () => {
  const scene = await openScene('disk', { bytesPerSecond: RATE });
  const source = temporaryDirectory();
  for (let i = 0; i < 40; i += 1) writeRandomFile(path.join(source, `${i}`), 200_000);
  const controller = new AbortController();
  let movedBytes = 0;
  const report = (event: TransferEvent): void => {
    if (event.type === 'bytes') movedBytes += event.bytes;
    if (movedBytes > 2 * MIB) controller.abort(new CairnError('terminated', 'stop'));
  };
  const first = push([source], scene.options('/tree', { signal: controller.signal, report }));
  expect(await codeOf(first)).toBe('terminated');
  writeFileSync(path.join(source, '39'), 'changed');
  writeFileSync(path.join(source, '0'), 'changed too');
  writeFileSync(path.join(source, 'new'), 'new');
  rmSync(path.join(source, '38'));
  const summary = await push([source], scene.options('/tree'));
  expect(summary).toMatchObject({ excluded: 0 });
  expect(summary.bytesResumed).toBeGreaterThan(0);
  const back = temporaryDirectory();
  await pull(back, scene.options('/tree'));
  expect(pictureOf(back)).toEqual(pictureOf(source));
});

test('a pull whose commit was agreed is published by the next run, without a server', async () => {
  const job = await openJob('pull', 'disk');
  // Something in the way makes the run end between the agreement and the publishing.
  const report: TransferOptions['report'] = (event) => {
    if (event.type === 'phase' && event.phase === 'committing')
      mkdirSync(path.join(job.arrived, 'in the way'), { recursive: true });
  };
  expect(await codeOf(job.run({ report }))).toBe('is-directory');
  expect((await listTransfers(job.scene.stateHome))[0]).toMatchObject({ state: 'agreed', bytesDone: SIZE });
  rmSync(job.arrived, { recursive: true });
  await job.scene.kill();
  const summary = await job.run({ retryForMs: 0 });
  expect(summary).toMatchObject({ bytesMoved: 0, bytesResumed: SIZE, excluded: 0 });
  expect(digestOf(job.arrived)).toBe(digestOf(job.file));
  expect(readdirSync(path.dirname(job.arrived)).toSorted()).toEqual(['arrived', 'file']);
  expect(await listTransfers(job.scene.stateHome)).toEqual([]);
});

test('a pull that was killed after it published leaves no folder of its own behind when it runs again', async () => {
  const job = await openJob('pull', 'disk');
  const { stateHome } = job.scene;
  const before = path.join(temporaryDirectory(), 'state');
  const report: TransferOptions['report'] = (event) => {
    if (event.type === 'phase' && event.phase === 'committing')
      mkdirSync(path.join(job.arrived, 'in the way'), { recursive: true });
  };
  expect(await codeOf(job.run({ report }))).toBe('is-directory');
  cpSync(stateHome, before, { recursive: true });
  rmSync(job.arrived, { recursive: true });
  await job.run();
  // As a kill left it between the removal of what was staged and that of the folders around it.
  rmSync(stateHome, { recursive: true });
  cpSync(before, stateHome, { recursive: true });
  mkdirSync(path.join(path.dirname(job.arrived), '.cairn/staging'), { recursive: true, mode: 0o700 });
  expect(await job.run()).toMatchObject({ bytesMoved: 0, excluded: 0 });
  expect(readdirSync(path.dirname(job.arrived)).toSorted()).toEqual(['arrived', 'file']);
  expect(await listTransfers(stateHome)).toEqual([]);
});
