/** Streams over connections that are cut, and a server that comes back. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startCairn } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { BACKENDS, fetchPublished } from '../support/servers.ts';
import { sha256, stream } from '../support/stream-source.ts';
import { temporaryDirectory } from '../support/trees.ts';

const MIB = 1024 * 1024;

describe.each(BACKENDS)('streams over $name', ({ start }) => {
  test('a stream survives cuts and a restart of the server', async () => {
    const server = await start();
    const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 30 * MIB });
    onTestFinished(() => proxy.close());
    const environment = { stateHome: temporaryDirectory(), token: server.token };
    const source = stream(96 * MIB);
    const run = startCairn(
      ['push', '--json', '--retry-for', '20s', '-', `http://127.0.0.1:${proxy.port}/stream`],
      {
        ...environment,
        stdin: source.pieces,
      },
    );
    for (let cut = 0; cut < 6; cut++) {
      await sleep(300);
      proxy.cutAll();
      if (cut !== 3) continue;
      await server.kill();
      await sleep(300);
      await server.start();
    }
    const result = await run.result;
    expect(result, result.stderr).toMatchObject({ exitCode: 0, last: { bytesTotal: 96 * MIB } });
    const published = await fetchPublished(server, '/stream');
    expect(sha256(published!)).toBe(source.digest());

    const pull = startCairn(
      ['pull', '--retry-for', '20s', `http://127.0.0.1:${proxy.port}/stream`, '-'],
      environment,
    );
    for (let cut = 0; cut < 5; cut++) {
      await sleep(300);
      proxy.cutAll();
    }
    const pulled = await pull.result;
    expect(pulled.exitCode, pulled.stderr).toBe(0);
    expect(sha256(pulled.stdout)).toBe(sha256(published!));
  });
});
