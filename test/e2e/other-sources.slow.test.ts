import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { cairn, startCairn } from '../support/cli.ts';
import { startCuttingProxy } from '../support/cutting-proxy.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

const MIB = 1024 * 1024;
const FEW = ['--json', '--chunk-size', '64K', '--sync', 'always', '--parallel', '4'];

test('a killed push of two files is finished by a push of them and a third one, in one run', async () => {
  const server = await startDiskServer();
  const proxy = await startCuttingProxy({ targetPort: server.port });
  onTestFinished(() => proxy.close());
  const directory = temporaryDirectory();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => path.join(directory, name)) as [string, string, string];
  for (const file of [a, b, c]) writeRandomFile(file, MIB);
  const url = `http://127.0.0.1:${proxy.port}/set/`;
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const isHalfUp = proxy.pauseAfter('up', MIB);
  const run = startCairn(['push', ...FEW, a, b, url], environment);
  await isHalfUp;
  run.child.kill('SIGKILL');
  await run.result;
  proxy.resume();

  const { last, exitCode, stderr } = await cairn(['push', ...FEW, a, b, c, url], environment);
  expect({ exitCode, last }, stderr).toMatchObject({
    exitCode: 0,
    last: { type: 'summary', entries: 3, bytesTotal: 3 * MIB, bytesSkipped: 0, resumes: 1, excluded: 0 },
  });
  const [sent, resumed] = [Number(last['bytesSent']), Number(last['bytesResumed'])];
  expect(resumed).toBeGreaterThan(0);
  expect(sent).toBeLessThanOrEqual(3 * MIB - resumed);
  for (const file of [a, b, c])
    expect(readFileSync(path.join(server.root, 'set', path.basename(file)))).toEqual(readFileSync(file));
  const left = await cairn(['transfers', 'list', '--json'], environment);
  expect(left).toMatchObject({ exitCode: 0, last: { transfers: 0 } });
});
