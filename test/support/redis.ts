/** A real Redis of a test: it can be killed, stopped in the middle of everything, emptied, and put back to an earlier moment. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import * as iovalkey from 'iovalkey';
import { onTestFinished } from 'vitest';
import { freePort } from './free-port.ts';
import { hasProgram } from './requirements.ts';
import { temporaryDirectory } from './trees.ts';

/** Whether there is one on this machine. */
export const hasRedis = hasProgram('redis-server');

/** A Redis that goes with the test. */
export interface TestRedis {
  readonly port: number;
  readonly url: string;
  /** Ends it by SIGKILL; what it knew is gone. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it by SIGSTOP: it takes connections, and answers nothing. */
  hang(): void;
  goOn(): void;
  /** Sends one command. */
  command(name: string, ...words: readonly string[]): Promise<unknown>;
  /** Notes what it knows now; {@link goBack} then kills it and starts one that knows no more, as a lagging replica does. */
  note(): Promise<void>;
  goBack(): Promise<void>;
}

/** Starts it. `words`: options of its command line. */
export async function startRedis(words: readonly string[] = []): Promise<TestRedis> {
  const folder = temporaryDirectory();
  const port = await freePort();
  let child: ChildProcess | undefined;
  const password = words[words.indexOf('--requirepass') + 1];
  const withClient = async <T>(use: (client: iovalkey.Redis) => Promise<T>): Promise<T> => {
    const own = words.includes('--requirepass') ? { password: password! } : {};
    const client = new iovalkey.Redis({ port, host: '127.0.0.1', retryStrategy: () => 20, ...own });
    client.on('error', () => undefined); // it is connected to until it is there
    try {
      return await use(client);
    } finally {
      client.disconnect();
    }
  };
  const start = async (): Promise<void> => {
    const all = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', ...words];
    child = spawn('redis-server', all, { stdio: 'ignore' });
    await withClient((client) => client.ping());
  };
  const kill = async (): Promise<void> => {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  const [dump, noted] = [path.join(folder, 'dump.rdb'), path.join(folder, 'noted.rdb')];
  await start();
  onTestFinished(kill);
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill,
    start,
    hang: () => void child?.kill('SIGSTOP'),
    goOn: () => void child?.kill('SIGCONT'),
    command: (name, ...rest) => withClient((client) => client.call(name, ...rest)),
    note: async () => {
      await withClient((client) => client.save());
      copyFileSync(dump, noted);
    },
    goBack: async () => {
      await kill();
      copyFileSync(noted, dump);
      await start();
    },
  };
}
