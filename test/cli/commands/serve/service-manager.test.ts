/** What a service manager is told, and what happens where that is not possible. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openServiceManager } from '../../../../src/cli/commands/serve/service-manager.ts';
import { isUnixAddress } from '../../../../src/base/unix-datagram.ts';
import { canReceiveDatagrams, openNotifySocket } from '../../../support/notify-socket.ts';
import { temporaryDirectory } from '../../../support/trees.ts';

function collectedLog() {
  const warnings: string[] = [];
  return { warnings, log: { warn: (_fields: object, message: string) => void warnings.push(message) } };
}

const isLast = (message: string): boolean => message.startsWith('STOPPING=1');

describe('addresses of Unix sockets', () => {
  test.each([
    ['/run/systemd/notify', true],
    [`/${'x'.repeat(106)}`, true],
    [`/${'x'.repeat(107)}`, false],
    ['@cairn', true],
    [`@${'x'.repeat(107)}`, true],
    [`@${'x'.repeat(108)}`, false],
    ['@', false],
    ['notify', false],
    ['vsock:2:1234', false],
  ])('the text %s is the address of a Unix socket: %s', (text, expected) => {
    expect(isUnixAddress(text)).toBe(expected);
  });
});

describe('missing service managers', () => {
  test.each([
    ['none is named', {}, 0],
    ['its name is empty', { NOTIFY_SOCKET: '' }, 0],
    ['its name is of another kind', { NOTIFY_SOCKET: 'vsock:2:1234' }, 1],
  ])('a server does its work without a service manager: %s', async (_why, environment, count) => {
    const { warnings, log } = collectedLog();
    const manager = await openServiceManager(environment, log);
    let reloads = 0;
    manager.ready('serving');
    await manager.reload(async () => void (reloads += 1));
    manager.stopping();
    manager.close();
    expect([reloads, warnings.length]).toEqual([1, count]);
  });

  test('a server warns once that the socket of its service manager is gone', async () => {
    const { warnings, log } = collectedLog();
    const manager = await openServiceManager({ NOTIFY_SOCKET: '/nowhere/notify' }, log);
    manager.ready('serving');
    manager.stopping();
    manager.close();
    expect(warnings).toEqual(['the service manager could not be notified']);
  });
});

describe.runIf(canReceiveDatagrams)('service managers (needs perl)', () => {
  test('a service manager is told of a reload only between READY and STOPPING, and of a status in one line', async () => {
    const address = join(temporaryDirectory(), 'notify');
    const socket = await openNotifySocket(address);
    const manager = await openServiceManager({ NOTIFY_SOCKET: address }, collectedLog().log);
    await manager.reload(async () => undefined);
    manager.ready('serving /a\nREADY=0');
    const before = process.hrtime.bigint() / 1000n;
    await manager.reload(async () => undefined);
    await manager.reload(async () => manager.stopping());
    await manager.reload(async () => undefined);
    await socket.until(isLast);
    manager.close();
    const at = /^RELOADING=1;MONOTONIC_USEC=(\d+);STATUS=reading again;$/;
    expect(socket.messages).toEqual([
      'READY=1;STATUS=serving /a READY=0;',
      expect.stringMatching(at),
      'READY=1;STATUS=serving /a READY=0;',
      expect.stringMatching(at),
      'STOPPING=1;STATUS=finishing the running requests;',
    ]);
    expect(BigInt(at.exec(socket.messages[1]!)![1]!)).toBeGreaterThanOrEqual(before);
  });

  test('a service manager that does not read for a while gets everything later, in order', async () => {
    const address = `@cairn-test-${process.pid}-full`;
    const socket = await openNotifySocket(address, { isReading: false });
    const { warnings, log } = collectedLog();
    const manager = await openServiceManager({ NOTIFY_SOCKET: address }, log);
    const kept = Number(readFileSync('/proc/sys/net/unix/max_dgram_qlen', 'utf8'));
    const statuses = Array.from({ length: 3 * kept + 3 }, (_, index) => `status ${index}`);
    for (const status of statuses) manager.ready(status);
    manager.stopping();
    socket.read();
    await socket.until(isLast);
    manager.close();
    expect(socket.messages.slice(0, -1)).toEqual(statuses.map((status) => `READY=1;STATUS=${status};`));
    expect(warnings).toEqual([]);
  });

  test('a service manager that watches the server is told again and again that it lives', async () => {
    const address = join(temporaryDirectory(), 'notify');
    const socket = await openNotifySocket(address);
    const { log } = collectedLog();
    const open = (watchdog: Record<string, string>): ReturnType<typeof openServiceManager> =>
      openServiceManager({ NOTIFY_SOCKET: address, ...watchdog }, log);
    const others = await open({ WATCHDOG_USEC: '2000', WATCHDOG_PID: '1' });
    const watched = await open({ WATCHDOG_USEC: '20000', WATCHDOG_PID: String(process.pid) });
    const isPing = (message: string): boolean => message === 'WATCHDOG=1;';
    others.ready('unwatched');
    await socket.until((message) => message.includes('unwatched'));
    expect(socket.messages.filter(isPing)).toEqual([]);
    watched.ready('watched');
    const count = await socket.until(isPing);
    await socket.until(isPing, count);
    watched.close();
    others.close();
  });
});
