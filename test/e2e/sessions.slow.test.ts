/** `cairn sessions` against a real server, by real processes. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine, type CliEnvironment, type CliResult } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { interruptPush } from '../support/interrupted-push.ts';
import { copySession, memoryDirectory } from '../support/many-sessions.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;

function sessionsOf({ lines }: CliResult): Record<string, unknown>[] {
  return lines.filter(({ type }) => type === 'session');
}

/** A push at a slow pace, which is under way when this resolves. */
async function slowPush() {
  const server = await startDiskServer();
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: MIB });
  onTestFinished(() => proxy.close());
  const source = path.join(temporaryDirectory(), 'file');
  writeRandomFile(source, 64 * MIB);
  const environment: CliEnvironment = { stateHome: temporaryDirectory(), token: server.token };
  const url = `http://127.0.0.1:${proxy.port}/file`;
  const args = ['push', '--json', '--chunk-size', '64K', source, url];
  const run = startCairn(args, environment);
  await untilLine(run, (line) => Number(line['bytesDone']) > 0);
  const sessions = (what: string, ...words: string[]): Promise<CliResult> =>
    cairn(['sessions', what, '--json', ...words], environment);
  return { server, run, args, environment, sessions, url: `${server.url}/` };
}

describe('cairn sessions of a running push', () => {
  test('cairn sessions aborts a running push, whose client learns of it, and no bytes stay', async () => {
    const { server, run, sessions, url } = await slowPush();
    const listed = await sessions('list', url);
    expect(listed).toMatchObject({ exitCode: 0, last: { type: 'summary', sessions: 1 } });
    const [session] = sessionsOf(listed);
    expect(session).toMatchObject({ state: 'open', direction: 'push', target: 'file', inMemory: true });
    expect(session!['bytesTotal']).toBe(64 * MIB);
    const id = String(session!['session']);
    const staging = path.join(server.root, '.cairn/staging', id);
    expect(existsSync(staging)).toBe(true);
    const aborted = await sessions('abort', url, '--', id.slice(0, 12));
    expect(aborted).toMatchObject({ exitCode: 0, last: { aborted: 1 } });
    expect(existsSync(staging)).toBe(false);
    const result = await run.result;
    expect([result.exitCode, result.last['code']]).toEqual([10, 'session-aborted']);
    const traced = await sessions('show', '--trace', url, '--', id);
    const whats = traced.lines.filter(({ type }) => type === 'moment').map(({ what }) => what);
    expect(whats).toEqual(['established', 'opened', 'aborted']);
  });

  test('cairn sessions shows that a push was killed, taken over and suspended', async () => {
    const { server, run, args, environment, sessions, url } = await slowPush();
    run.child.kill('SIGKILL');
    await run.result;
    const second = startCairn(args, environment);
    await untilLine(second, (line) => Number(line['bytesDone']) > 0);
    second.child.kill('SIGINT');
    expect((await second.result).exitCode).toBe(130);
    await server.stop();
    await server.start();
    const [{ session: id } = {}] = sessionsOf(await sessions('list', '--state', 'suspended', url));
    const text = await cairn(['sessions', 'show', '--trace', url, '--', String(id)], environment);
    const lines = text.stdout.toString().trim().split('\n');
    // The killed client's requests may have been in flight still when the next one came.
    const told = lines.filter((line) => !/ fenced | unloaded /.test(line));
    expect(told).toHaveLength(4);
    const moment = (words: string, rest: string): RegExp =>
      new RegExp(String.raw`^\d{4}-\d\d-\d\dT[\d:.]+[+-]\d\d:\d\d +${words} +epoch \d .*${rest}`);
    for (const [index, words] of ['established', 'opened', 'resumed'].entries())
      expect(told[index]).toMatch(moment(words, String.raw`127\.0\.0\.1`));
    // On a busy machine the client's goodbye, for which it takes two seconds, may not come; then the server's own end is told.
    expect(told[3]).toMatch(moment('suspended', String.raw`(why client.*127\.0\.0\.1|why shutdown)`));
  });
});

test('cairn sessions abort --all ends many sessions at once, and only the chosen ones', async () => {
  const it = await interruptPush();
  const root = memoryDirectory();
  const server = await startDiskServer({ root, extraArgs: ['--session-lease', '1h'], isStartedLater: true });
  // Half an hour of their lease is over.
  const nowMs = Date.now();
  const times = { createdAtMs: nowMs - 8 * 86_400_000, leaseExpiresAtMs: nowMs + 1_800_000 };
  copySession(it, root, 300, { state: 'suspended', history: [], ...times });
  await server.start();
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const run = (...words: string[]): Promise<CliResult> =>
    cairn(['sessions', ...words, '--json', `${server.url}/`], environment);
  expect((await run('list')).last).toMatchObject({ sessions: 300 });
  expect((await run('abort', '--all', '--older-than', '2h')).last).toMatchObject({ aborted: 0 });
  expect((await run('abort', '--all', '--owner', 'nobody')).last).toMatchObject({ aborted: 0 });
  const aborted = await run('abort', '--all', '--state', 'suspended', '--older-than', '10m');
  expect(aborted).toMatchObject({ exitCode: 0, last: { type: 'summary', aborted: 300, passedOver: 0 } });
  for (let tries = 0; tries < 100 && existsSync(path.join(root, '.cairn/staging')); tries += 1)
    await sleep(50);
  expect(existsSync(path.join(root, '.cairn/staging'))).toBe(false);
  expect((await run('list', '--state', 'aborted')).last).toMatchObject({ sessions: 300 });
});

describe('refusals of cairn sessions', () => {
  test.each([
    ['no id', ['abort', 'URL'], 2, 'usage'],
    ['ids and all', ['abort', '--all', 'URL', 'x'], 2, 'usage'],
    ['a choice without all', ['abort', '--state', 'open', 'URL', 'x'], 2, 'usage'],
    ['an unknown state', ['list', '--state', 'dead', 'URL'], 2, 'usage'],
    ['a wrong age', ['list', '--older-than', 'long', 'URL'], 2, 'usage'],
    ['an unknown id', ['show', 'URL', 'A'.repeat(22)], 10, 'session-not-found'],
    ['an unknown beginning', ['show', 'URL', 'zz'], 10, 'session-not-found'],
  ])('cairn sessions refuses a call with %s', async (_what, words, exitCode, code) => {
    const server = await startDiskServer();
    const args = words.map((word) => (word === 'URL' ? `${server.url}/` : word));
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const result = await cairn(['sessions', ...args, '--json'], environment);
    expect([result.exitCode, result.last['code']]).toEqual([exitCode, code]);
  });

  test('cairn sessions shows nothing to a wrong token', async () => {
    const server = await startDiskServer();
    const environment = { stateHome: temporaryDirectory(), token: 'w'.repeat(43) };
    const result = await cairn(['sessions', 'list', '--json', `${server.url}/`], environment);
    expect([result.exitCode, result.last['code']]).toEqual([6, 'unauthenticated']);
  });
});
