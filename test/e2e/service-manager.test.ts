/** `cairn serve` under a service manager that waits for its word (Type=notify of systemd). */
import path from 'node:path';
import tls from 'node:tls';
import { describe, expect, test } from 'vitest';
import { openServiceManager } from '../../src/cli/commands/serve/service-manager.ts';
import { issueServer, rewriteIssued, writeIssued } from '../support/certificates.ts';
import { cairn } from '../support/cli.ts';
import { canReceiveDatagrams, openNotifySocket } from '../support/notify-socket.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const isReady = (message: string): boolean => message.startsWith('READY=1;');

function shownFingerprint(port: number): Promise<string> {
  return new Promise((done, fail) => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      done(socket.getPeerX509Certificate()!.fingerprint256);
      socket.destroy();
    });
    socket.once('error', fail);
  });
}

describe.runIf(canReceiveDatagrams)('service managers (needs perl)', () => {
  test.each([
    ['at a path', () => path.join(temporaryDirectory(), 'notify')],
    ['at an abstract name', () => `@cairn-test-${process.pid}-serve`],
  ])('a service manager %s hears that the server answers, and that it ends', async (_where, addressOf) => {
    const address = addressOf();
    const socket = await openNotifySocket(address);
    const server = await startDiskServer({ isStartedLater: true });
    const started = server.start({ env: { NOTIFY_SOCKET: address } });
    await socket.until(isReady);
    expect((await fetch(`${server.url}/.cairn/healthz`)).status).toBe(200);
    expect(socket.messages).toEqual([`READY=1;STATUS=serving ${server.root} at ${server.url};`]);
    await started;
    expect((await server.stop()).exitCode).toBe(0);
    await socket.until((message) => message.startsWith('STOPPING=1;'));
    expect(socket.messages).toHaveLength(2);
  });

  test('a service manager hears nothing from a server that cannot listen', async () => {
    const address = path.join(temporaryDirectory(), 'notify');
    const socket = await openNotifySocket(address);
    const { port } = await startDiskServer();
    const words = ['serve', '--root', temporaryDirectory(), '--listen', `127.0.0.1:${port}`];
    const env = { NOTIFY_SOCKET: address };
    const result = await cairn(words, { stateHome: temporaryDirectory(), env });
    expect([result.exitCode, result.stderr]).toEqual([
      expect.any(Number),
      expect.stringContaining('address-in-use'),
    ]);
    // What was sent before this has arrived before it.
    const marker = await openServiceManager(env, { warn: () => undefined });
    marker.stopping();
    await socket.until((message) => message.startsWith('STOPPING=1;'));
    expect(socket.messages).toHaveLength(1);
  });

  test('a service manager hears the end of a reload once the new certificate is shown', async () => {
    const address = path.join(temporaryDirectory(), 'notify');
    const socket = await openNotifySocket(address);
    const files = writeIssued(await issueServer());
    const server = await startDiskServer({
      extraArgs: ['--tls-cert', files.cert, '--tls-key', files.key],
      env: { NOTIFY_SOCKET: address },
    });
    await socket.until(isReady);
    const before = await shownFingerprint(server.port);
    rewriteIssued(files, await issueServer());
    process.kill(server.pid()!, 'SIGHUP');
    await socket.until(isReady, 1);
    expect(await shownFingerprint(server.port)).not.toBe(before);
    const kinds = socket.messages.map((message) => message.slice(0, message.indexOf(';')));
    expect(kinds).toEqual(['READY=1', 'RELOADING=1', 'READY=1']);
  });
});

test('a server without a service manager starts as ever', async () => {
  const server = await startDiskServer();
  expect(server.log()).not.toContain('service manager');
  expect((await server.stop()).exitCode).toBe(0);
});
