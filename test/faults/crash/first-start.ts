/** The very first start of a server, which makes what it needs: an access token, and folders of its own. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { cairn } from '../../support/cli.ts';
import { startDiskServer, type DiskServer } from '../../support/servers.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import type { FaultRun } from '../support/campaign.ts';
import { checkSecrets } from '../support/invariants.ts';
import { Violation } from '../support/violation.ts';
import { strangersOfServer } from './disk.ts';
import { explained, letAnHourPass } from './running.ts';
import { stepsIn, stoppedBefore, stoppingAt, watching, type Step } from './steps.ts';

/** The steps of a first start, and of the end of that server. */
export async function recordFirstStart(): Promise<Step[]> {
  const log = path.join(temporaryDirectory(), 'trace');
  const server = await startDiskServer(watching(log));
  await server.stop();
  return stepsIn(log);
}

/** Kills a first start at a step; the next one must be as good as a first one. */
export async function killFirstStartAt(step: Step, run: FaultRun): Promise<void> {
  const directory = temporaryDirectory();
  const [root, log] = [path.join(directory, 'root'), path.join(directory, 'trace')];
  mkdirSync(root);
  const server = await startDiskServer({ root, isStartedLater: true });
  await server.start(stoppingAt(step, 'SIGKILL', log)).then(
    () => void server.stop(),
    () => undefined,
  );
  if ((await server.ended()).signal === 'SIGKILL') run.injected();
  await letAnHourPass(server.stateHome);
  await explained([stoppedBefore(step, log) ?? 'nothing'], () => checkFirstStart(server));
}

async function checkFirstStart(server: DiskServer): Promise<void> {
  await server.start();
  // The token that a client of the same user finds by itself is one that the server knows.
  const listed = await cairn(['ls', `${server.url}/`], { stateHome: server.stateHome });
  if (listed.exitCode !== 0) throw new Violation('unclear', `it cannot be used: ${listed.stderr}`);
  const { exitCode } = await server.stop();
  if (exitCode !== 0) throw new Violation('unclear', `it ended with ${exitCode}`);
  const strange = strangersOfServer(server);
  if (strange.length > 0) throw new Violation('leak', `left behind: ${strange.join(', ')}`);
  checkSecrets([server.token], [server.log(), listed.stderr], [server.root, server.stateHome]);
}
