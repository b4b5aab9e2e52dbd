/** Signals at `cairn serve`, as a process. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startDiskServer, type DiskServer } from '../support/servers.ts';

async function untilLogged(server: DiskServer, text: string): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- the log is looked at again and again
  while (!server.log().includes(text)) await delay(10);
}

test('no signal but those that ask for the end ends a server, nor opens the debugger of Node', async () => {
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
