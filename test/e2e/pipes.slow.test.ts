import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { cairn, startCairn } from '../support/cli.ts';
import { BACKENDS, fetchPublished } from '../support/servers.ts';
import { sha256, stream } from '../support/stream-source.ts';
import { temporaryDirectory } from '../support/trees.ts';

const MIB = 1024 * 1024;

describe.each(BACKENDS)('pipes over $name', ({ start }) => {
  test.each([0, 5, 4 * MIB, 8 * MIB, 9 * MIB + 7])(
    'a stream of %i bytes goes out and comes back through pipes',
    async (size) => {
      const server = await start();
      const environment = { stateHome: temporaryDirectory(), token: server.token };
      const source = stream(Math.max(size, 0));
      const pieces = size === 5 ? [Buffer.from('hello')] : source.pieces;
      const pushed = await cairn(['push', '--json', '-', `${server.url}/stream`], {
        ...environment,
        stdin: pieces,
      });
      expect(pushed, pushed.stderr).toMatchObject({ exitCode: 0, last: { bytesTotal: size } });
      const pulled = await cairn(['pull', `${server.url}/stream`, '-'], environment);
      expect(pulled.exitCode, pulled.stderr).toBe(0);
      expect(pulled.stdout.length).toBe(size);
      expect(sha256(pulled.stdout)).toBe(size === 5 ? sha256(Buffer.from('hello')) : source.digest());
    },
  );

  test('a pull into a pipe without a reader ends upon SIGTERM', async () => {
    const server = await start();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const pushed = await cairn(['push', '-', `${server.url}/stream`], {
      ...environment,
      stdin: stream(16 * MIB).pieces,
    });
    expect(pushed.exitCode, pushed.stderr).toBe(0);
    const { child } = startCairn(['pull', `${server.url}/stream`, '-'], environment);
    child.stdout!.pause();
    while (child.stdout!.readableLength === 0) await sleep(10);
    child.kill('SIGTERM');
    const exitCode = await new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    expect(exitCode).toBe(143);
  });

  test('a push with --from-command publishes what the command wrote, and nothing when it fails', async () => {
    const server = await start();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const good = await cairn(
      ['push', '--from-command', `${server.url}/good`, '--', 'echo', 'from a command'],
      environment,
    );
    expect(good.exitCode, good.stderr).toBe(0);
    expect((await fetchPublished(server, '/good'))?.toString()).toBe('from a command\n');
    const bad = await cairn(
      ['push', '--from-command', `${server.url}/bad`, '--', 'sh', '-c', 'echo half; exit 3'],
      environment,
    );
    expect(bad.exitCode).toBe(11);
    expect(bad.stderr).toContain('sh');
    expect(await fetchPublished(server, '/bad')).toBeUndefined();
    const missing = await cairn(
      ['push', '--from-command', `${server.url}/bad`, '--', 'no-such-command-here'],
      environment,
    );
    expect(missing.exitCode).toBe(11);
    expect(await fetchPublished(server, '/bad')).toBeUndefined();
  });

  test('a pull of a directory into a pipe is refused, and the error says so', async () => {
    const server = await start();
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const source = temporaryDirectory();
    mkdirSync(path.join(source, 'sub'));
    writeFileSync(path.join(source, 'sub/file'), 'x');
    await cairn(['push', source, `${server.url}/tree`], environment);
    const pulled = await cairn(['pull', `${server.url}/tree`, '-'], environment);
    expect(pulled.exitCode).toBe(2);
    expect(pulled.stdout.length).toBe(0);
    expect(pulled.stderr).toContain('directory');
  });
});
