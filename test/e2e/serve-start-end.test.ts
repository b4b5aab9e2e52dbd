/** The start and the end of `cairn serve`, as a process: signals in their middle, and another server that takes over. */
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startCairn } from '../support/cli.ts';
import { canMount, mountTmpfs, remountReadOnly } from '../support/requirements.ts';
import { startDiskServer, type DiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

/** Who holds a lease, on another host. */
const STRANGER = {
  pid: 1,
  startTime: '7',
  bootId: 'another-kernel',
  pidNamespace: 'pid:[1]',
  nonce: 'other',
};

async function untilLogged(server: DiskServer, text: string): Promise<void> {
  // oxlint-disable-next-line no-await-in-loop -- the log is looked at again and again
  while (!server.log().includes(text)) await delay(10);
}

test('a signal in the middle of the start ends a server in order, before it listens', async () => {
  const [root, state] = [temporaryDirectory(), temporaryDirectory()];
  // Whether its holder is alive takes seconds to see.
  writeFileSync(path.join(state, 'lease'), JSON.stringify({ ...STRANGER, hasKernelLock: false }));
  const words = ['serve', '--root', root, '--state', state, '--listen', '127.0.0.1:0', '--json'];
  const run = startCairn(words, { stateHome: temporaryDirectory() });
  while (!existsSync(path.join(root, '.cairn'))) await delay(10);
  run.child.kill('SIGTERM');
  const { exitCode, signal, stdout } = await run.result;
  expect({ exitCode, signal, stdout: stdout.toString() }).toEqual({ exitCode: 0, signal: null, stdout: '' });
});

test('a server that ends in order stops at once when another server has taken over', async () => {
  const server = await startDiskServer();
  const lease = path.join(server.root, '.cairn/lease');
  // A request of which the body does not come: an end in order waits for it for longer than a lease is renewed.
  const socket = connect(server.port, '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  const head = [
    'POST /.cairn/v1/tree-id HTTP/1.1',
    'Host: h',
    `Authorization: Bearer ${server.token}`,
    'Content-Length: 9',
    'Expect: 100-continue',
  ];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  await once(socket, 'data');
  process.kill(server.pid()!, 'SIGTERM');
  await untilLogged(server, 'draining');
  writeFileSync(lease, JSON.stringify({ ...STRANGER, hasKernelLock: false }).padEnd(512));
  expect(await server.ended()).toMatchObject({ exitCode: 8 });
  expect(readFileSync(lease, 'utf8')).toContain(STRANGER.nonce);
});

test.skipIf(!canMount)(
  'a server that cannot remove its registration still ends in order (needs root)',
  async () => {
    const disk = temporaryDirectory();
    mountTmpfs(disk, 4 * 1024 * 1024);
    const stateHome = path.join(disk, 'home');
    mkdirSync(stateHome, { mode: 0o700 });
    const server = await startDiskServer({ env: { CAIRN_STATE_HOME: stateHome } });
    remountReadOnly(disk);
    expect(await server.stop()).toMatchObject({ exitCode: 0 });
    expect(server.log()).toContain('registration');
  },
);
