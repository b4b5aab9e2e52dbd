/** `cairn store copy` by the real command line, from one server to several and back. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { freePort } from '../support/free-port.ts';
import { interruptPush } from '../support/interrupted-push.ts';
import { startFaultyS3 } from '../support/s3/faulty-s3.ts';
import { startDiskServer } from '../support/servers.ts';
import { pictureOf, temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const environment = (): CliEnvironment => ({ stateHome: temporaryDirectory() });

function newStore(): string {
  const store = path.join(temporaryDirectory(), 'store');
  mkdirSync(store, { mode: 0o700 });
  return store;
}

const copy = (from: string, to: string, ...more: string[]): Promise<CliResult> =>
  cairn(['store', 'copy', '--json', from, to, ...more], environment());

/** A root of a server that was stopped, with a tree that was pushed to it. */
async function servedRoot(): Promise<{
  readonly root: string;
  readonly token: string;
  readonly source: string;
}> {
  const server = await startDiskServer();
  const source = path.join(temporaryDirectory(), 'source');
  mkdirSync(path.join(source, 'a'), { recursive: true });
  writeRandomFile(path.join(source, 'large'), 24 * 1024 * 1024);
  for (let n = 0; n < 200; n += 1) writeFileSync(path.join(source, 'a', String(n)), `${n} `.repeat(n));
  const pushed = await cairn(['push', '--json', source, `${server.url}/tree`], {
    ...environment(),
    token: server.token,
  });
  expect(pushed.exitCode, pushed.stderr).toBe(0);
  await server.kill();
  return { root: server.root, token: server.token, source };
}

async function serve(...words: string[]) {
  const port = await freePort();
  const run = startCairn(['serve', ...words, '--listen', `127.0.0.1:${port}`, '--json'], environment());
  await untilLine(run, ({ type }) => type === 'listening');
  return { url: `http://127.0.0.1:${port}`, run };
}

async function pulled(url: string, token: string): Promise<Record<string, string>> {
  const to = path.join(temporaryDirectory(), 'pulled');
  const result = await cairn(['pull', '--json', `${url}/tree`, to], { ...environment(), token });
  expect(result.exitCode, result.stderr).toBe(0);
  return pictureOf(to);
}

test('a root goes to a store that is served with the same tokens, and back to another root', async () => {
  const { root, token, source } = await servedRoot();
  const store = newStore();
  const first = await copy(root, store);
  expect([first.exitCode, first.last['code']], first.stderr).toEqual([0, 'ok']);
  const { url, run } = await serve('--store', store);
  expect(await pulled(url, token)).toEqual(pictureOf(source));
  const busy = await copy(store, temporaryDirectory());
  expect([busy.exitCode, busy.last['code']]).toEqual([8, 'state-locked']);
  run.child.kill('SIGTERM');
  await run.result;
  // It is a store of its own now.
  expect((await copy(root, store)).last['code']).toBe('already-exists');
  const back = temporaryDirectory();
  expect((await copy(store, back)).exitCode).toBe(0);
  const again = await serve('--root', back);
  expect(await pulled(again.url, token)).toEqual(pictureOf(source));
});

test('a copy into a bucket that is killed again and again goes on, and no server serves it before it is whole', async () => {
  const { root, token, source } = await servedRoot();
  const s3 = await startFaultyS3();
  const env = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'key' };
  const words = [root, 's3://bucket/store', '--s3-endpoint', s3.endpoint, '--json'];
  const contentPuts = (): number =>
    s3.asked.filter(({ method, key }) => method === 'PUT' && /\/\d+-[0-9a-f]{64}-/.test(key)).length;
  for (const wanted of [1, 2, 3]) {
    const run = startCairn(['store', 'copy', ...words], { ...environment(), env });
    while (contentPuts() < wanted && run.child.exitCode === null) await sleep(5);
    run.child.kill('SIGKILL');
    await run.result;
    for (const key of s3.objects.keys()) if (key.endsWith('/l/held')) s3.objects.delete(key);
  }
  const served = await cairn(
    ['serve', '--store', 's3://bucket/store', '--s3-endpoint', s3.endpoint, '--listen', '127.0.0.1:0'],
    { ...environment(), env },
  );
  expect([served.exitCode, served.stderr.includes('not whole yet')]).toEqual([2, true]);
  const last = await cairn(['store', 'copy', ...words], { ...environment(), env });
  expect(last.exitCode, last.stderr).toBe(0);
  const chunks = Array.from(s3.objects.keys()).filter((key) => /\/\d+-[0-9a-f]{64}-/.test(key)).length;
  // What a kill met on its way may have been put in vain.
  expect(contentPuts() - chunks).toBeLessThanOrEqual(3 * 4);
  const before = contentPuts();
  const again = await cairn(['store', 'copy', ...words], { ...environment(), env });
  expect([again.exitCode, again.last['bytesCopied'], contentPuts()]).toEqual([0, 0, before]);
  const store = newStore();
  const moved = await cairn(
    ['store', 'copy', 's3://bucket/store', store, '--as', 'store', '--s3-endpoint', s3.endpoint, '--json'],
    { ...environment(), env },
  );
  expect([moved.exitCode, moved.last['unit']], moved.stderr).toEqual([0, 'objects']);
  const { url } = await serve('--store', store);
  expect(await pulled(url, token)).toEqual(pictureOf(source));
});

test('unfinished transfers are named and left behind, and a running server or a wrong target is refused', async () => {
  const { root, sessionId, server } = await interruptPush();
  const store = newStore();
  const copied = await copy(root, store);
  expect(copied.exitCode, copied.stderr).toBe(0);
  const left = copied.lines.filter(({ type }) => type === 'session-left');
  expect(left).toMatchObject([{ session: sessionId, direction: 'push', target: '/file' }]);
  expect(copied.last['sessionsLeft']).toBe(1);
  const full = temporaryDirectory();
  writeFileSync(path.join(full, 'mine'), 'mine');
  const refused = await copy(store, full);
  expect([refused.exitCode, refused.last['code'], readFileSync(path.join(full, 'mine'), 'utf8')]).toEqual([
    2,
    'already-exists',
    'mine',
  ]);
  for (const words of [
    [root, full],
    [store, store],
    [root, 'http://127.0.0.1/'],
    [root, path.join(root, 'inside')],
    [path.join(store, 'c'), store],
    [root, store, '--from-s3-profile', 'x'],
    [root, store, '--as', 'root'],
  ] as [string, string, ...string[]][])
    expect((await copy(...words)).last['code'], words.join(' ')).toBe('usage');
  await server.start();
  const busy = await copy(root, newStore());
  expect([busy.exitCode, busy.last['code']]).toEqual([8, 'state-locked']);
});
