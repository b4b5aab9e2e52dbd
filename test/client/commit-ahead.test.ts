/** Over a long line the commit is on its way while the last chunks are. */
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { push } from '../../src/client/push.ts';
import { MAX_CHUNKS } from '../../src/manifest/layout.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';
import { CHUNK, codeOf, openScene, type Scene } from './support/scene.ts';

/** Half a round trip: enough for a line to be taken for a long one. */
const DELAY_MS = 20;
const CHUNKS = 5;

interface LongLine {
  readonly scene: Scene;
  readonly file: string;
  /** Chunks and commits in order: what was asked for, and what was answered. */
  readonly passed: string[];
}

async function openLongLine(): Promise<LongLine> {
  const scene = await openScene('disk', { delayMs: DELAY_MS });
  const file = path.join(temporaryDirectory(), 'file');
  writeRandomFile(file, CHUNKS * CHUNK);
  const passed: string[] = [];
  scene.proxy.onPiece(({ way, bodyFrom, request }) => {
    const what = /(chunks\/\d+|commit)$/.exec(request?.path ?? '')?.[1];
    if (bodyFrom > 0 && what !== undefined) passed.push(`${way} ${what}`);
  });
  return { scene, file, passed };
}

const commitsIn = ({ passed }: LongLine): number => passed.filter((piece) => piece === 'up commit').length;

test('a push over a long line asks for its commit once, before the last chunk is answered', async () => {
  const line = await openLongLine();
  await push([line.file], line.scene.options('/file'));
  const answers = line.passed.filter((piece) => piece.startsWith('down chunks'));
  expect(answers).toHaveLength(CHUNKS);
  expect(line.passed.indexOf('up commit')).toBeLessThan(line.passed.indexOf(answers.at(-1)!));
  expect(commitsIn(line)).toBe(1);
  expect(await line.scene.fetch('/file')).toHaveLength(CHUNKS * CHUNK);
  expect(line.scene.events.map(({ type }) => type).lastIndexOf('publishing')).toBeGreaterThan(0);
});

test('a small push over a long line has a connection ready for its commit', async () => {
  const { scene, file, passed } = await openLongLine();
  writeFileSync(file, 'small');
  await push([file], scene.options('/file'));
  expect(passed).toEqual(['up chunks/0', 'up commit', 'down chunks/0', 'down commit']);
});

test('a push does not ask an older server to let its commit wait for chunks', async () => {
  const { scene, file, passed } = await openLongLine();
  const note = passed.push.bind(passed);
  scene.proxy.onPiece(({ way, bytes, request }) => {
    const at = bytes.indexOf('commitAwaitsChunks');
    if (way === 'down' && at >= 0) bytes.write('somethingUnheardOf', at);
    if (way === 'up' && request?.path.endsWith('/commit') === true) note(bytes.toString('latin1'));
  });
  await push([file], scene.options('/file'));
  expect(passed).toHaveLength(1);
  expect(passed[0]).not.toContain('awaitChunks');
});

test('a push ends well when the answer to its last chunk is lost and the server has committed', async () => {
  const line = await openLongLine();
  let sent = 0;
  line.scene.proxy.onRequest(({ method, path: asked }) => {
    if (method !== 'PUT' || !asked.endsWith(`/chunks/${CHUNKS - 1}`)) return 'pass';
    sent += 1;
    return sent === 1 ? 'lose-reply' : 'pass';
  });
  const summary = await push([line.file], line.scene.options('/file'));
  expect(summary).toMatchObject({ excluded: 0, bytesMoved: CHUNKS * CHUNK });
  // The client asks once more where the commit, which waits for the chunk, is not over by then.
  expect(sent).toBeLessThanOrEqual(2);
  expect(await line.scene.fetch('/file')).toHaveLength(CHUNKS * CHUNK);
});

test('a push over a long line ends well when the answer to its commit is lost', async () => {
  const line = await openLongLine();
  line.scene.proxy.onRequest(({ path: asked }) =>
    asked.endsWith('/commit') && commitsIn(line) === 0 ? 'lose-reply' : 'pass',
  );
  await push([line.file], line.scene.options('/file'));
  expect(commitsIn(line)).toBe(2);
  expect(await line.scene.fetch('/file')).toHaveLength(CHUNKS * CHUNK);
});

test('a push waits as long as a busy server says when it has asked for its commit ahead', async () => {
  const line = await openLongLine();
  const askedAtMs: number[] = [];
  const busy = 'HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n';
  line.scene.proxy.onRequest(({ path: asked }) => {
    if (!asked.endsWith('/commit')) return 'pass';
    askedAtMs.push(performance.now());
    return askedAtMs.length === 1 ? { answer: busy } : 'pass';
  });
  await push([line.file], line.scene.options('/file'));
  expect(askedAtMs).toHaveLength(2);
  expect(askedAtMs[1]! - askedAtMs[0]!).toBeGreaterThanOrEqual(1000);
});

test('a push ends well when all connections are cut as its commit goes out with the last chunks', async () => {
  const line = await openLongLine();
  let cuts = 0;
  line.scene.proxy.onRequest(({ path: asked }) => {
    if (!asked.endsWith('/commit') || cuts > 0) return 'pass';
    cuts += 1;
    setImmediate(() => line.scene.proxy.cutAll());
    return 'pass';
  });
  const summary = await push([line.file], line.scene.options('/file'));
  expect(summary).toMatchObject({ excluded: 0, bytesTotal: CHUNKS * CHUNK });
  expect(cuts).toBe(1);
  expect(await line.scene.fetch('/file')).toHaveLength(CHUNKS * CHUNK);
});

test('a push that is ended while its commit is on the way is finished by the next run', async () => {
  const line = await openLongLine();
  const stop = new AbortController();
  line.scene.proxy.onRequest(({ path: asked }) => {
    if (asked.endsWith('/commit')) stop.abort(new Error('stop'));
    return 'pass';
  });
  await expect(push([line.file], line.scene.options('/file', { signal: stop.signal }))).rejects.toThrow(
    'stop',
  );
  await push([line.file], line.scene.options('/file'));
  expect(await line.scene.fetch('/file')).toHaveLength(CHUNKS * CHUNK);
});

test('a push of more chunks than there may be is refused, though connections are opened ahead', async () => {
  const { scene, file } = await openLongLine();
  truncateSync(file, (MAX_CHUNKS + 1) * CHUNK);
  expect(await codeOf(push([file], scene.options('/file')))).toBe('manifest-too-large');
  expect(scene.proxy.bytesUp).toBeLessThan(CHUNK);
});
