import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { pullStream } from '../../src/client/pull-stream.ts';
import { pull } from '../../src/client/pull.ts';
import { pushStream } from '../../src/client/push-stream.ts';
import { push } from '../../src/client/push.ts';
import { ENCODINGS, textOf } from '../support/encodings.ts';
import { temporaryDirectory } from '../support/trees.ts';
import { CHUNK, codeOf, KINDS, openScene } from './support/scene.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { cpuNowMs } from '../support/cpu-time.ts';

const MIB = 1024 * 1024;

async function* pieces(content: Buffer, pieceBytes = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
}

/** A tree with large and small files of both kinds: what shrinks, and what does not. */
function writeTree(): { directory: string; files: Map<string, Buffer> } {
  const directory = temporaryDirectory();
  const files = new Map([
    ['text', textOf(20 * CHUNK + 5)],
    ['noise', randomBytes(10 * CHUNK + 7)],
    ['small/text', textOf(900)],
    ['small/noise', randomBytes(3000)],
    ['small/empty', Buffer.alloc(0)],
  ]);
  mkdirSync(path.join(directory, 'small'));
  for (const [name, bytes] of files) writeFileSync(path.join(directory, name), bytes);
  return { directory, files };
}

const total = (files: Map<string, Buffer>): number =>
  [...files.values()].reduce((sum, { length }) => sum + length, 0);

describe.each(ENCODINGS)('%s, always', (encoding) => {
  const compressed = { compress: 'always', encodings: [encoding] } as const;

  test.each(KINDS)(
    'a compressed tree goes to a %s server and comes back, and only its text is smaller on the wire',
    async (kind) => {
      const scene = await openScene(kind);
      const { directory, files } = writeTree();
      const bytesTotal = total(files);
      const pushed = await push([directory], scene.options('/tree', compressed));
      expect(pushed).toMatchObject({ bytesTotal, bytesMoved: bytesTotal, excluded: 0 });
      for (const [name, bytes] of files)
        expect((await scene.fetch(`/tree/${name}`))?.equals(bytes)).toBe(true);
      const target = path.join(temporaryDirectory(), 'copy');
      const before = scene.proxy.bytesDown;
      const pulled = await pull(target, scene.options('/tree', compressed));
      expect(pulled).toMatchObject({ bytesTotal, bytesMoved: bytesTotal });
      for (const [name, bytes] of files)
        expect(readFileSync(path.join(target, name)).equals(bytes)).toBe(true);
      for (const { bytesSaved } of [pushed, pulled]) {
        expect(bytesSaved).toBeGreaterThan(10 * CHUNK);
        expect(bytesSaved).toBeLessThan(20 * CHUNK);
      }
      expect(scene.proxy.bytesDown - before).toBeLessThan(bytesTotal - pulled.bytesSaved + 20_000);
    },
  );

  test('chunks of noise go uncompressed, even where compression is always on', async () => {
    const scene = await openScene();
    const content = randomBytes(4 * CHUNK + 9);
    const file = path.join(temporaryDirectory(), 'noise');
    writeFileSync(file, content);
    const headers: string[] = [];
    scene.proxy.onPiece((piece) => void headers.push(piece.bytes.toString('latin1')));
    expect(await push([file], scene.options('/noise', compressed))).toMatchObject({ bytesSaved: 0 });
    const target = path.join(temporaryDirectory(), 'x');
    expect(await pull(target, scene.options('/noise', compressed))).toMatchObject({ bytesSaved: 0 });
    expect(readFileSync(target).equals(content)).toBe(true);
    expect(headers.join('')).not.toMatch(/^content-encoding/im);
  });

  test('compressed streams of text and noise go out and come back', async () => {
    const scene = await openScene();
    for (const content of [
      Buffer.alloc(0),
      textOf(5),
      textOf(2 * CHUNK),
      Buffer.concat([textOf(9 * CHUNK), randomBytes(3 * CHUNK)]),
    ]) {
      const pushed = await pushStream(pieces(content), scene.options('/stream', compressed));
      expect(pushed).toMatchObject({ bytesTotal: content.length, bytesMoved: content.length });
      const got: Buffer[] = [];
      const sink = async (bytes: Uint8Array): Promise<void> => void got.push(Buffer.from(bytes));
      const pulled = await pullStream(sink, scene.options('/stream', compressed));
      expect(pulled).toMatchObject({ bytesTotal: content.length, bytesMoved: content.length });
      expect(Buffer.concat(got).equals(content)).toBe(true);
      if (content.length < 2 * CHUNK) continue;
      expect(pushed.bytesSaved).toBeGreaterThan(CHUNK);
      expect(pulled.bytesSaved).toBeGreaterThan(CHUNK);
    }
  });

  describe.each(['push', 'pull'] as const)('a compressed %s', (direction) => {
    test.each([1, 4])(
      'a compressed transfer that is cut %i times in its only chunk goes on there, and sends little twice',
      async (cuts) => {
        const scene = await openScene('disk', { bytesPerSecond: 4 * MIB });
        const directory = temporaryDirectory();
        const [file, arrived] = [path.join(directory, 'file'), path.join(directory, 'arrived')];
        const content = textOf(8 * MIB);
        writeFileSync(file, content);
        if (direction === 'pull')
          await push([file], scene.options('/file', { ...compressed, stateHome: temporaryDirectory() }));
        const options = scene.options('/file', { ...compressed, chunkSizeBytes: 8 * MIB });
        const crossed = (): number => (direction === 'push' ? scene.proxy.bytesUp : scene.proxy.bytesDown);
        const before = crossed();
        const running = direction === 'push' ? push([file], options) : pull(arrived, options);
        for (let cut = 0; cut < cuts; cut += 1) {
          const at = crossed() + 300_000;
          while (crossed() < at) await sleep(2);
          scene.proxy.cutAll();
        }
        const summary = await running;
        const got = direction === 'push' ? await scene.fetch('/file') : readFileSync(arrived);
        expect(got?.equals(content)).toBe(true);
        expect(summary.retries).toBeGreaterThanOrEqual(cuts);
        expect(summary.bytesMoved).toBe(content.length);
        // Each cut may cost what was on its way, and the rest is compressed anew.
        const wire = crossed() - before;
        expect(wire).toBeLessThan(content.length - summary.bytesSaved + cuts * 300_000 + 30_000);
        expect(summary.bytesSaved).toBeGreaterThan(4 * MIB);
      },
    );

    test('a compressed transfer that is stopped in its only chunk goes on there in the next run', async () => {
      const scene = await openScene('disk', { bytesPerSecond: 2 * MIB });
      const directory = temporaryDirectory();
      const [file, arrived] = [path.join(directory, 'file'), path.join(directory, 'arrived')];
      const content = textOf(8 * MIB);
      writeFileSync(file, content);
      if (direction === 'pull')
        await push([file], scene.options('/file', { ...compressed, stateHome: temporaryDirectory() }));
      const options = scene.options('/file', { ...compressed, chunkSizeBytes: 8 * MIB });
      const run = (changes: object): ReturnType<typeof push> =>
        direction === 'push'
          ? push([file], { ...options, ...changes })
          : pull(arrived, { ...options, ...changes });
      const crossed = (): number => (direction === 'push' ? scene.proxy.bytesUp : scene.proxy.bytesDown);
      const controller = new AbortController();
      const at = crossed() + 800_000;
      const running = codeOf(run({ signal: controller.signal }));
      while (crossed() < at) await sleep(2);
      controller.abort(new CairnError('interrupted', 'stop'));
      expect(await running).toBe('interrupted');
      await scene.kill();
      await scene.start();
      const summary = await run({});
      const got = direction === 'push' ? await scene.fetch('/file') : readFileSync(arrived);
      expect(got?.equals(content)).toBe(true);
      expect(summary.bytesMoved + summary.bytesResumed).toBe(content.length);
      expect(summary.bytesResumed).toBeGreaterThan(MIB);
    });
  });

  test('a bandwidth limit counts the bytes on the wire, not those of the file', async () => {
    const scene = await openScene();
    const file = path.join(temporaryDirectory(), 'file');
    // The bytes of the file would take half an hour at this rate.
    const [sizeBytes, rate] = [32 * MIB, 16 * 1024];
    writeFileSync(file, Buffer.alloc(sizeBytes));
    const options = scene.options('/file', { ...compressed, bandwidth: () => rate, chunkSizeBytes: MIB });
    const { durationMs, bytesSaved } = await push([file], options);
    const wireMs = ((sizeBytes - bytesSaved) / rate) * 1000;
    expect(wireMs).toBeGreaterThan(1000);
    expect(durationMs).toBeGreaterThan(wireMs - 400);
  });
});

describe('automatic compression', () => {
  /** Pushes text over a line and pulls it back. */
  async function there(
    bytesPerSecond: number | undefined,
    bytes: number,
    clock: Partial<Pick<TransferOptions, 'now'>> = {},
  ): Promise<number[]> {
    const scene = await openScene('disk', bytesPerSecond === undefined ? {} : { bytesPerSecond });
    const directory = temporaryDirectory();
    const file = path.join(directory, 'file');
    const content = textOf(bytes);
    writeFileSync(file, content);
    const options = scene.options('/file', { chunkSizeBytes: MIB / 4, encodings: ['gzip'], ...clock });
    const pushed = await push([file], options);
    const pulled = await pull(path.join(directory, 'arrived'), options);
    expect(readFileSync(path.join(directory, 'arrived')).equals(content)).toBe(true);
    return [pushed.bytesSaved, pulled.bytesSaved];
  }

  test('a transfer compresses by itself on a slow line', async () => {
    // A busy machine has up to 8 MiB on their way before the first answer tells what the line carries.
    for (const saved of await there(4 * MIB, 32 * MIB)) expect(saved).toBeGreaterThan(8 * MIB);
  });

  test('a transfer does not compress by itself on a fast line', async () => {
    // By the wall's clock a busy machine would make the line look slow.
    expect(await there(undefined, 64 * MIB, { now: cpuNowMs })).toEqual([0, 0]);
  });

  test('a transfer does not compress on a slow line when it is told never to', async () => {
    const scene = await openScene('disk', { bytesPerSecond: 2 * MIB });
    const file = path.join(temporaryDirectory(), 'file');
    writeFileSync(file, textOf(3 * MIB));
    expect(await push([file], scene.options('/file', { compress: 'never' }))).toMatchObject({
      bytesSaved: 0,
    });
  });
});
