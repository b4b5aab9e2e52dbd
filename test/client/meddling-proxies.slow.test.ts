/** Transfers through proxies that answer themselves, change the coding of bodies, limit, close or cut. */
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TransferSummary } from '../../src/client/api/events.ts';
import { list } from '../../src/client/list.ts';
import type { TransferOptions } from '../../src/client/api/options.ts';
import { pull } from '../../src/client/pull.ts';
import { pushStream } from '../../src/client/push-stream.ts';
import { push } from '../../src/client/push.ts';
import { startMeddlingProxy, type Meddling } from '../support/meddling-proxy.ts';
import { digestOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { openScene, type Scene } from './support/scene.ts';

const BYTES = 3_000_000;

interface Way {
  readonly scene: Scene;
  options(urlPath: string, changes?: Partial<TransferOptions>): TransferOptions;
  /** Pushes a file there, and pulls it back; both arrive. */
  thereAndBack(changes?: Partial<TransferOptions>): Promise<readonly TransferSummary[]>;
}

async function openWay(meddling: Meddling): Promise<Way> {
  const scene = await openScene('disk');
  const port = await startMeddlingProxy(scene.proxy.port, meddling);
  const options: Way['options'] = (urlPath, changes = {}) =>
    scene.options(urlPath, { url: new URL(`http://127.0.0.1:${port}${urlPath}`), ...changes });
  return {
    scene,
    options,
    thereAndBack: async (changes) => {
      const file = path.join(temporaryDirectory(), 'file');
      writeRandomFile(file, BYTES);
      const pushed = await push([file], options('/file', changes));
      expect(digestOf(path.join(scene.root, 'file'))).toBe(digestOf(file));
      const copy = path.join(temporaryDirectory(), 'copy');
      const pulled = await pull(copy, options('/file', changes));
      expect(digestOf(copy)).toBe(digestOf(file));
      return [pushed, pulled];
    },
  };
}

/** Answers some of the requests itself: the `from`th to the `to`th that fit. */
function foreign(status: number, fits: (line: string) => boolean, from: number, to: number): Meddling {
  let count = 0;
  const answers = ({ method, url }: IncomingMessage): number | undefined => {
    if (!fits(`${method} ${url}`)) return undefined;
    count += 1;
    return count >= from && count <= to ? status : undefined;
  };
  return { answers };
}

const isChunk = (line: string): boolean => /chunks/.test(line);
const isOfSession = (line: string): boolean => /sessions/.test(line);

describe('answers of something else than the server', () => {
  test.each([200, 401, 403, 404, 502])(
    'a transfer goes on after answers of something else to chunks (%i)',
    async (status) => {
      const { thereAndBack } = await openWay(foreign(status, isChunk, 5, 9));
      const [pushed] = await thereAndBack();
      expect(pushed!.retries).toBeGreaterThan(0);
    },
  );

  test.each([200, 401, 404])(
    'a transfer goes on after answers of something else at its beginning and its end (%i)',
    async (status) => {
      const isControl = (line: string): boolean => isOfSession(line) && !isChunk(line);
      const { thereAndBack } = await openWay(foreign(status, isControl, 1, 5));
      const [pushed] = await thereAndBack();
      expect(pushed!.retries).toBeGreaterThan(0);
    },
  );

  test('a push that something else keeps answering ends with that message, and keeps what was begun', async () => {
    const { options } = await openWay(foreign(404, isChunk, 10, Infinity));
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, BYTES);
    const error = await push([file], options('/file', { retryForMs: 1000 })).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'network', details: { isKept: true, status: 404 } });
    expect((error as Error).message).toContain('something other than the cairn server has answered');
  });
});

describe('proxies that remove the length of bodies', () => {
  test.each(['never', 'always'] as const)(
    'a proxy that removes the length of bodies lets transfers through (compression %s)',
    async (compress) => {
      const { thereAndBack } = await openWay({ takesLengths: true });
      const summaries = await thereAndBack({ compress });
      expect(summaries.map(({ retries }) => retries)).toEqual([0, 0]);
    },
  );

  test('a proxy that removes the length of bodies lets streams and listings through', async () => {
    const { options, scene } = await openWay({ takesLengths: true });
    const file = path.join(temporaryDirectory(), 'file');
    writeRandomFile(file, BYTES);
    const { createReadStream } = await import('node:fs');
    await pushStream(createReadStream(file) as AsyncIterable<Uint8Array>, options('/stream'));
    expect(digestOf(path.join(scene.root, 'stream'))).toBe(digestOf(file));
    expect((await list(options('/'), { recursive: false })).entries.length).toBeGreaterThan(0);
  });

  test('a body that a proxy cuts after it removed its length is noticed, and the transfer goes on from there', async () => {
    const { thereAndBack } = await openWay({ takesLengths: true, cutsAfterBytes: 200_000 });
    const [pushed, pulled] = await thereAndBack({ chunkSizeBytes: 1_000_000, compress: 'never' });
    expect(pushed!.bytesMoved).toBeLessThan(2 * BYTES);
    expect(pulled!.retries).toBeGreaterThan(0);
  });
});

test('a proxy that closes each connection costs a transfer no retries', async () => {
  const { thereAndBack } = await openWay({ closes: true });
  expect((await thereAndBack()).map(({ retries }) => retries)).toEqual([0, 0]);
});

test('a transfer through a proxy that refuses bodies of the chunk size goes on with smaller chunks', async () => {
  const { thereAndBack, scene } = await openWay({ maxBodyBytes: 600_000 });
  await thereAndBack({ chunkSizeBytes: 2_000_000 });
  const notices = scene.events.filter(({ type }) => type === 'notice');
  expect(notices).toEqual([
    { type: 'notice', message: 'a proxy takes no chunk of this size; going on with chunks of 512 KiB' },
  ]);
});

test('a proxy that takes no chunk at all ends the push with advice on what to change', async () => {
  const { thereAndBack } = await openWay({ maxBodyBytes: 1000 });
  const error = await thereAndBack({ chunkSizeBytes: 2_000_000 }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: 'body-too-large' });
  expect((error as Error).message).toContain('client_max_body_size');
});

test('a push through a proxy that takes no more chunks keeps those that another run has brought', async () => {
  const meddling: { -readonly [Key in keyof Meddling]: Meddling[Key] } = foreign(502, isChunk, 10, Infinity);
  const { options, scene } = await openWay(meddling);
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, BYTES);
  const run = (): Promise<TransferSummary> =>
    push([file], options('/file', { retryForMs: 1000, compress: 'never' }));
  await expect(run()).rejects.toMatchObject({ code: 'server-busy' });
  Object.assign(meddling, { answers: undefined, maxBodyBytes: 10_000 });
  await expect(run()).rejects.toMatchObject({ code: 'body-too-large', details: { isKept: true } });
  delete meddling.maxBodyBytes;
  expect((await run()).bytesResumed).toBeGreaterThan(0);
  expect(digestOf(path.join(scene.root, 'file'))).toBe(digestOf(file));
});
