/** A push whose client has lost all that it knew: what the server has is found by the entries themselves. */
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn, untilLine } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory } from '../support/trees.ts';

const MIB = 1024 * 1024;

test('a push whose client lost its state goes on from chunks of a size that its line would not have', async () => {
  const server = await startDiskServer();
  const proxy = await startCuttingProxy({ targetPort: server.port, bytesPerSecond: 20 * MIB });
  onTestFinished(() => proxy.close());
  const source = path.join(temporaryDirectory(), 'file');
  writeFileSync(source, 'not only zeros');
  truncateSync(source, 300 * MIB);
  const words = ['push', '--json', '--compress', 'never'];
  // What a long line would get: here, with a short round trip, chunks have 2 MiB.
  const first = startCairn(
    [...words, '--chunk-size', '1M', '--sync', 'always', source, `http://127.0.0.1:${proxy.port}/file`],
    { stateHome: temporaryDirectory(), token: server.token },
  );
  await untilLine(first, (line) => line['type'] === 'progress' && Number(line['bytesDone']) > 20 * MIB);
  first.child.kill('SIGKILL');
  await first.result;
  await sleep(500); // the server notices
  const again = await cairn([...words, source, `${server.url}/file`], {
    stateHome: temporaryDirectory(),
    token: server.token,
  });
  expect(again.exitCode, again.stderr).toBe(0);
  expect(Number(again.last['bytesResumed'])).toBeGreaterThan(15 * MIB);
});
