/** SIGHUP: a run without a terminal goes on, as nohup wants it. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { cairn, startCairn, untilLine } from '../support/cli.ts';
import { startDiskServer } from '../support/servers.ts';
import { temporaryDirectory, writeRandomFile } from '../support/trees.ts';

test('a push without a terminal outlives SIGHUP, since Node undoes what nohup does', async () => {
  const server = await startDiskServer();
  const file = path.join(temporaryDirectory(), 'f');
  writeRandomFile(file, 4_000_000);
  const environment = { stateHome: temporaryDirectory(), token: server.token };
  const run = startCairn(['push', '--json', '--bwlimit', '2M', file, `${server.url}/f`], environment);
  await untilLine(run, (line) => line['type'] === 'progress');
  run.child.kill('SIGHUP');
  expect(await run.result).toMatchObject({ exitCode: 0, last: { type: 'summary' } });
  const back = path.join(temporaryDirectory(), 'f');
  expect(await cairn(['pull', `${server.url}/f`, back], environment)).toMatchObject({ exitCode: 0 });
  expect(readFileSync(back).equals(readFileSync(file))).toBe(true);
});
