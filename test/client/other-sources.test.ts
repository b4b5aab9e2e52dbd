import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { TransferSummary } from '../../src/client/api/events.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { push } from '../../src/client/push.ts';
import { openTransferFolder } from '../../src/client/state/transfer-folder.ts';
import { listTransfers } from '../../src/client/transfers.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

const SIZE = 8 * CHUNK;
/** Both files of the run that is interrupted, in bytes. */
const BOTH = 2 * SIZE;

interface Job {
  readonly scene: Scene;
  /** Where the sources are, and the path of one of them. */
  readonly directory: string;
  at(name: string): string;
  run(names: readonly string[], changes?: Partial<TransferOptions>): Promise<TransferSummary>;
  /** Pushes and is ended by its signal when half of the bytes have moved. */
  interrupt(names: readonly string[], changes?: Partial<TransferOptions>): Promise<void>;
  /** Whether these, and nothing else, are at the target as they are here. */
  expectArrived(names: readonly string[]): void;
  notices(): string;
}

/** Files a, b, c and d, and a target with a slash. */
async function openJob(urlPath = '/set/'): Promise<Job> {
  const scene = await openScene('disk', { bytesPerSecond: 8 * 1024 * 1024 });
  const directory = temporaryDirectory();
  const at = (name: string): string => path.join(directory, name);
  for (const name of ['a', 'b', 'c', 'd']) writeRandomFile(at(name), SIZE);
  const run: Job['run'] = (names, changes = {}) =>
    push(names.map(at), scene.options(urlPath, { parallel: 2, ...changes }));
  return {
    scene,
    directory,
    at,
    run,
    interrupt: async (names, changes = {}) => {
      const controller = new AbortController();
      let moved = 0;
      const report: TransferOptions['report'] = (event) => {
        if (event.type === 'bytes') moved += event.bytes;
        if (moved > (names.length * SIZE) / 2) controller.abort(new CairnError('interrupted', 'stop'));
      };
      const running = run(names, { ...changes, report, signal: controller.signal });
      expect(await codeOf(running)).toBe('interrupted');
    },
    expectArrived: (names) => {
      const there = path.join(scene.root, 'set');
      for (const name of names) expect(digestOf(path.join(there, name))).toBe(digestOf(at(name)));
    },
    notices: () =>
      scene.events.flatMap((event) => (event.type === 'notice' ? [event.message] : [])).join('\n'),
  };
}

/** What had arrived was counted, not sent again; nothing unfinished is left. */
async function expectTakenOver({ scene }: Job, summary: TransferSummary, newBytes: number): Promise<void> {
  expect(summary.bytesResumed).toBeGreaterThan(0);
  expect(summary.bytesMoved).toBeLessThanOrEqual(BOTH - summary.bytesResumed + newBytes);
  expect(summary.resumes).toBe(1);
  expect(await listTransfers(scene.stateHome)).toEqual([]);
}

describe('pushes beside an unfinished one to the same URL', () => {
  test.each([
    { names: ['a', 'b', 'c'], fresh: ['c'] },
    { names: ['d', 'b', 'c', 'a'], fresh: ['c', 'd'] },
    { names: ['b', 'a'], fresh: [] },
  ])('a push of $names goes on with an unfinished push of a and b', async ({ names, fresh }) => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const summary = await job.run(names);
    await expectTakenOver(job, summary, fresh.length * SIZE);
    expect(summary).toMatchObject({ entries: names.length, excluded: 0, bytesSkipped: 0 });
    expect(summary.bytesTotal).toBe(names.length * SIZE);
    job.expectArrived(names);
    expect(await job.run(names)).toMatchObject({ bytesMoved: 0, changed: 0 });
  });

  test('a push of two files goes on with an unfinished push of one that lands in the same directory', async () => {
    const job = await openJob();
    await job.interrupt(['a']);
    const summary = await job.run(['a', 'b']);
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(summary.bytesMoved).toBeLessThanOrEqual(BOTH - summary.bytesResumed);
    job.expectArrived(['a', 'b']);
    expect(await listTransfers(job.scene.stateHome)).toEqual([]);
  });

  test('a push goes on with an unfinished one of which a source is gone, and does not publish that source', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    rmSync(job.at('b'));
    const summary = await job.run(['a', 'c', 'd']);
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(summary).toMatchObject({ entries: 3, excluded: 0 });
    job.expectArrived(['a', 'c', 'd']);
    expect(await job.scene.fetch('/set/b')).toBeUndefined();
    expect(await listTransfers(job.scene.stateHome)).toEqual([]);
  });

  test('a push goes on with an unfinished one of directories, of which one has become a file', async () => {
    const job = await openJob();
    for (const name of ['x', 'y']) {
      mkdirSync(job.at(name));
      writeRandomFile(path.join(job.at(name), 'file'), SIZE);
    }
    await job.interrupt(['x', 'y']);
    rmSync(job.at('y'), { recursive: true });
    writeFileSync(job.at('y'), 'a file now');
    const summary = await job.run(['x', 'y', 'c']);
    expect(summary.bytesResumed).toBeGreaterThan(0);
    expect(summary.excluded).toBe(0);
    job.expectArrived(['x/file', 'y', 'c']);
  });

  test('a push that took over an unfinished one and is interrupted is taken over by a larger one', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const controller = new AbortController();
    const report: TransferOptions['report'] = (event) => {
      if (event.type === 'bytes') controller.abort(new CairnError('interrupted', 'stop'));
    };
    const larger = { resumeCommand: ['cairn', 'push', 'larger'], report, signal: controller.signal };
    expect(await codeOf(job.run(['a', 'b', 'c'], larger))).toBe('interrupted');
    const kept = await listTransfers(job.scene.stateHome);
    expect(kept).toMatchObject([{ resumeCommand: larger.resumeCommand, locked: false }]);
    const summary = await job.run(['a', 'b', 'c', 'd']);
    await expectTakenOver(job, summary, 2 * SIZE);
    job.expectArrived(['a', 'b', 'c', 'd']);
  });

  test('a push takes over two unfinished ones that have no source in common', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    await job.interrupt(['c', 'd']);
    const summary = await job.run(['a', 'b', 'c', 'd']);
    expect(summary.resumes).toBe(2);
    expect(summary.bytesMoved).toBeLessThanOrEqual(2 * BOTH - summary.bytesResumed);
    expect(summary).toMatchObject({ entries: 4, bytesTotal: 2 * BOTH, bytesSkipped: 0 });
    job.expectArrived(['a', 'b', 'c', 'd']);
    expect(await listTransfers(job.scene.stateHome)).toEqual([]);
  });

  test('a push ends with transfer-locked while another process pushes some of its sources', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const { stateHome } = job.scene;
    const local = ['a', 'b'].map(job.at);
    const url = job.scene.url('/set/');
    const folder = await openTransferFolder(stateHome, { direction: 'push', url, local });
    expect(await codeOf(job.run(['a', 'b', 'c']))).toBe('transfer-locked');
    await folder.close();
    await expectTakenOver(job, await job.run(['a', 'b', 'c']), SIZE);
  });

  test.each([
    { what: 'the other has a source that is still there and not asked for', names: ['a', 'c'], changes: {} },
    { what: 'other digests are asked for', names: ['a', 'b', 'c'], changes: { digest: 'sha256' } },
  ] as const)('a push leaves an unfinished one alone and says so where $what', async ({ names, changes }) => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const [left] = await listTransfers(job.scene.stateHome);
    const summary = await job.run(names, changes);
    expect(summary).toMatchObject({ bytesResumed: 0, resumes: 0 });
    expect(job.notices()).toContain(`"cairn transfers rm ${left!.id.slice(0, 8)}" drops it`);
    job.expectArrived(names);
    expect(await listTransfers(job.scene.stateHome)).toMatchObject([{ id: left!.id }]);
    expect(await job.run(['a', 'b'])).toMatchObject({ resumes: 1 });
  });

  test('a push does not take over an unfinished one whose directory lands elsewhere', async () => {
    const job = await openJob();
    mkdirSync(job.at('x'));
    writeRandomFile(path.join(job.at('x'), 'file'), SIZE);
    await job.interrupt(['x']);
    const summary = await job.run(['x', 'a']);
    expect(summary.resumes).toBe(0);
    job.expectArrived(['x/file', 'a']);
    expect(await job.scene.fetch('/set/file')).toBeUndefined();
    expect(await listTransfers(job.scene.stateHome)).toHaveLength(1);
  });

  test('a push has nothing to do with an unfinished one to another URL', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const summary = await job.run(['a', 'b', 'c'], { url: job.scene.url('/other/') });
    expect(summary).toMatchObject({ resumes: 0, bytesMoved: 3 * SIZE });
    expect(job.notices()).toBe('');
    expect(await listTransfers(job.scene.stateHome)).toHaveLength(1);
  });

  test('a dry run of a push does not touch an unfinished one', async () => {
    const job = await openJob();
    await job.interrupt(['a', 'b']);
    const before = await listTransfers(job.scene.stateHome);
    await job.run(['a', 'b', 'c'], { dryRun: true });
    expect(await listTransfers(job.scene.stateHome)).toEqual(before);
  });
});
