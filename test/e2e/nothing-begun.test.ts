/** What a transfer says that is interrupted before anything was begun, or that begins nothing. */
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { startCairn, type CliResult } from '../support/cli.ts';
import { interruptPush } from '../support/interrupted-push.ts';
import { temporaryDirectory } from '../support/trees.ts';

/** Interrupts a command while it waits for an answer from somebody who never gives one. */
async function interruptWaiting(
  words: (url: string) => readonly string[],
  stateHome = temporaryDirectory(),
): Promise<CliResult> {
  const silent = createServer((socket) => void socket.on('error', () => undefined));
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  onTestFinished(() => void silent.close());
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/file`;
  const run = startCairn(words(url), { stateHome, token: 'token' });
  await once(silent, 'connection');
  run.child.kill('SIGINT');
  return run.result;
}

test.each([
  ['push', (url: string) => ['push', import.meta.filename, url]],
  ['pull', (url: string) => ['pull', url, '/nowhere/file']],
  ['dry run', (url: string) => ['push', '-n', import.meta.filename, url]],
  ['pull into a pipe', (url: string) => ['pull', url, '-']],
])('a %s that is interrupted before anything was begun speaks of no checkpoint', async (_what, words) => {
  const { exitCode, stderr } = await interruptWaiting(words);
  expect([exitCode, stderr]).toEqual([130, 'cairn: interrupted\n']);
});

test('a push that continues an earlier one says how to resume, and a dry run of it does not', async () => {
  const { environment, args } = await interruptPush();
  const said = async (more: readonly string[]): Promise<string> => {
    const run = startCairn([...args, '--retry-for', '1m', ...more], environment);
    await once(run.child.stdout!, 'data');
    run.child.kill('SIGINT');
    return (await run.result).stderr;
  };
  expect(await said([])).toContain('to resume, run: ');
  expect(await said(['-n'])).toBe('cairn: interrupted\n');
});
