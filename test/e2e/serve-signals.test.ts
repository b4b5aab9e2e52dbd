/** Signals at `cairn serve`, as a process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');

async function untilLogged(server: DiskServer, text: string): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- the log is looked at again and again
  while (!server.log().includes(text)) await delay(10);
}

test('a server ends only upon signals that ask for it, and none opens the debugger of Node', async () => {
  const server = await startDiskServer({ extraArgs: ['--log-level', 'debug'] });
  const signals = [
    'SIGUSR1',
    'SIGHUP',
    'SIGUSR2',
    'SIGALRM',
    'SIGVTALRM',
    'SIGPROF',
    'SIGIO',
    'SIGPWR',
    'SIGXCPU',
  ];
  for (const signal of signals) {
    process.kill(server.pid()!, signal);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await untilLogged(server, `"signal":"${signal}"`);
  }
  expect((await fetch(`${server.url}/.cairn/healthz`)).status).toBe(200);
  expect(server.log()).not.toContain('Debugger');
  expect((await server.stop()).exitCode).toBe(0);
});

test('a server whose CPU is profiled takes its samples', async () => {
  const directory = temporaryDirectory();
  const profile = path.join(directory, 'server.cpuprofile');
  const words = ['serve', '--root', directory, '--listen', '127.0.0.1:0', '--json'];
  const server = spawn(
    process.execPath,
    ['--cpu-prof', '--cpu-prof-dir', directory, '--cpu-prof-name', path.basename(profile), BIN, ...words],
    { env: { ...process.env, CAIRN_STATE_HOME: directory }, stdio: ['ignore', 'pipe', 'ignore'] },
  );
  onTestFinished(() => void server.kill('SIGKILL'));
  const [line] = (await once(server.stdout, 'data')) as [Buffer];
  const { url } = JSON.parse(line.toString()) as { url: string };
  for (let count = 0; count < 300; count += 1) await fetch(`${url}/.cairn/healthz`);
  server.kill('SIGTERM');
  await once(server, 'exit');
  const { nodes } = JSON.parse(readFileSync(profile, 'utf8')) as {
    nodes: { callFrame: { functionName: string } }[];
  };
  expect(nodes.map(({ callFrame }) => callFrame.functionName)).toContain('serveRequest');
});
