import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { pullStream } from '../../src/client/pull-stream.ts';
import { pushStream } from '../../src/client/push-stream.ts';
import { push } from '../../src/client/push.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, KINDS, openScene } from './support/scene.ts';

const MIB = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A source in awkward pieces. */
async function* pieces(content: Buffer, pieceBytes = 10_007): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
}

function collector(): { sink: (bytes: Uint8Array) => Promise<void>; content: () => Buffer } {
  const got: Buffer[] = [];
  return { sink: async (bytes) => void got.push(Buffer.from(bytes)), content: () => Buffer.concat(got) };
}

describe.each(KINDS)('at a %s server', (kind) => {
  test.each([0, 5, CHUNK, 2 * CHUNK, 30 * CHUNK + 7])(
    'a stream of %i bytes goes out and comes back',
    async (size) => {
      const scene = await openScene(kind);
      const content = randomBytes(size);
      const pushed = await pushStream(pieces(content), scene.options('/stream'));
      expect(pushed).toMatchObject({ bytesTotal: size, bytesMoved: size, entries: 1, excluded: 0 });
      expect(sha256((await scene.fetch('/stream')) ?? Buffer.from('nothing'))).toBe(sha256(content));
      const { sink, content: arrived } = collector();
      const pulled = await pullStream(sink, scene.options('/stream'));
      expect(pulled).toMatchObject({ bytesTotal: size, bytesMoved: size });
      expect(arrived().equals(content)).toBe(true);
    },
  );

  test('streams survive cuts and a server that is killed and comes back', async () => {
    const scene = await openScene(kind, { bytesPerSecond: 10 * MIB });
    const content = randomBytes(10 * MIB);
    const options = scene.options('/stream', { chunkSizeBytes: 512 * 1024 });
    const trouble = async (running: Promise<unknown>): Promise<void> => {
      void running.catch(() => undefined); // the test waits for it itself
      for (let cut = 0; cut < 5; cut += 1) {
        await sleep(150);
        scene.proxy.cutAll();
        if (cut !== 2) continue;
        await scene.kill();
        await sleep(150);
        await scene.start();
      }
    };
    const pushing = pushStream(pieces(content, 100_000), options);
    await trouble(pushing);
    expect(await pushing).toMatchObject({ bytesTotal: content.length });
    expect(sha256((await scene.fetch('/stream'))!)).toBe(sha256(content));
    const { sink, content: arrived } = collector();
    const pulling = pullStream(sink, options);
    await trouble(pulling);
    const pulled = await pulling;
    expect(arrived().equals(content)).toBe(true);
    expect(pulled.bytesMoved).toBeLessThan(content.length + 6 * 6 * 512 * 1024);
  });

  test('a stream whose source fails, or whose hook refuses, is not published', async () => {
    const scene = await openScene(kind);
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield randomBytes(3 * CHUNK);
      throw new CairnError('source-command-failed', 'the command failed');
    }
    expect(await codeOf(pushStream(failing(), scene.options('/stream')))).toBe('source-command-failed');
    const beforeCommit = async (): Promise<void> => {
      throw new CairnError('source-command-failed', 'the command exited with 3');
    };
    const refused = pushStream(pieces(randomBytes(3 * CHUNK)), scene.options('/stream'), { beforeCommit });
    expect(await codeOf(refused)).toBe('source-command-failed');
    expect(await scene.fetch('/stream')).toBeUndefined();
  });
});

test('a stream asks for a sync point when its window is full, where the server makes none by itself', async () => {
  const scene = await openScene('disk', { sync: 'close' });
  const content = randomBytes(40 * CHUNK + 7);
  const pushed = await pushStream(pieces(content), scene.options('/stream', { sync: 'close' }));
  expect(pushed).toMatchObject({ bytesTotal: content.length, bytesMoved: content.length });
  expect(sha256((await scene.fetch('/stream'))!)).toBe(sha256(content));
});

test('a stream leaves no record at the client, and an interrupted one no staging at the server', async () => {
  const scene = await openScene();
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield randomBytes(3 * CHUNK);
    controller.abort(new CairnError('interrupted', 'stop'));
    await new Promise(() => {});
  }
  expect(await codeOf(pushStream(endless(), scene.options('/stream', { signal: controller.signal })))).toBe(
    'interrupted',
  );
  expect(readdirSync(scene.stateHome)).toEqual([]);
  expect(readdirSync(path.join(scene.root, '.cairn')).filter((name) => name === 'staging')).toEqual([]);
});

test('a slow sink holds a pull back, so that no more than a window crosses ahead of it', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 4 * MIB);
  await push([file], scene.options('/file'));
  let taken = 0;
  const sink = async (bytes: Uint8Array): Promise<void> => {
    taken += bytes.byteLength;
    // Not more than the window has crossed before what was taken is gone.
    await sleep(1);
    const crossed =
      scene.events.reduce((sum, event) => sum + (event.type === 'bytes' ? event.bytes : 0), 0) - 4 * MIB;
    expect(crossed).toBeLessThanOrEqual(taken + 7 * CHUNK);
  };
  await pullStream(sink, scene.options('/file'));
  expect(taken).toBe(4 * MIB);
});

test('a pull into a pipe takes files only, and a push of a stream needs a name', async () => {
  const scene = await openScene();
  const source = temporaryDirectory();
  mkdirSync(path.join(source, 'sub'));
  writeFileSync(path.join(source, 'file'), 'x');
  symlinkSync('file', path.join(source, 'link'));
  await push([source], scene.options('/tree'));
  const { sink } = collector();
  expect(await codeOf(pullStream(sink, scene.options('/tree')))).toBe('is-directory');
  expect(await codeOf(pullStream(sink, scene.options('/tree/link')))).toBe('symlink-refused');
  expect(await codeOf(pullStream(sink, scene.options('/tree/nothing')))).toBe('not-found');
  expect(await codeOf(pushStream(pieces(Buffer.from('x')), scene.options('/tree/')))).toBe('usage');
});

test('a sink that fails ends the pull', async () => {
  const scene = await openScene();
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, 10 * CHUNK);
  await push([file], scene.options('/file'));
  const sink = async (): Promise<void> => {
    throw new CairnError('storage-io', 'the pipe is closed');
  };
  expect(await codeOf(pullStream(sink, scene.options('/file')))).toBe('storage-io');
});
