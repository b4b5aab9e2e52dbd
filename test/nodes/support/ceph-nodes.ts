/** Three `cairn serve` over one bucket, behind haproxy; each can be killed and started again. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CliRun, startCairn, untilLine } from '../../support/cli.ts';
import { freePort } from '../../support/free-port.ts';
import { startHaproxy } from '../../support/haproxy.ts';
import { temporaryDirectory } from '../../support/trees.ts';
import { BUCKET, CEPH_KEYS, endpoint } from './ceph.ts';

/** Nodes that serve one store. */
export interface CephNodes {
  readonly url: string;
  readonly token: string;
  readonly count: number;
  /** The words after `--store`, and the environment, of a command for the same store. */
  readonly storeWords: readonly string[];
  /** SIGKILL. */
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  /** All lines of their logs. */
  log(): string;
}

const NODES = 3;

/** Starts them; they go with the test. */
export async function startCephNodes(): Promise<CephNodes> {
  const storeWords = ['--store', `${BUCKET}/${randomBytes(6).toString('hex')}`, '--s3-endpoint', endpoint];
  const ports = await Promise.all(Array.from({ length: NODES }, freePort));
  // Each has a home of its own, as on another machine.
  const homes = ports.map(() => temporaryDirectory());
  const runs = new Map<number, CliRun>();
  const tokenFiles: string[] = [];
  let log = '';
  const start = async (index: number): Promise<void> => {
    const words = ['serve', ...storeWords, '--listen', `127.0.0.1:${ports[index]}`, '--json'];
    const run = startCairn(words, { stateHome: homes[index]!, env: CEPH_KEYS });
    run.child.stderr!.on('data', (bytes: Buffer) => (log += bytes.toString()));
    const { tokenFile } = await untilLine(run, ({ type }) => type === 'listening');
    tokenFiles[index] = String(tokenFile);
    runs.set(index, run);
  };
  for (const index of ports.keys()) await start(index);
  return {
    url: await startHaproxy(ports),
    token: readFileSync(tokenFiles[0]!, 'utf8').trim(),
    count: NODES,
    storeWords,
    kill: async (index) => {
      const run = runs.get(index)!;
      run.child.kill('SIGKILL');
      await run.result;
    },
    start,
    log: () => log,
  };
}
