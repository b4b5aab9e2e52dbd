/** The server of the demo: a process that is killed and started again on the same port. */
import type { CliProcess, ProcessPool } from './processes.ts';

/** A server that comes back. */
export interface DemoServer {
  /** Starts it; resolves once it accepts connections. On later starts it takes the port of the first. */
  start(): Promise<void>;
  /** Kills it without a warning, and waits until it is gone. */
  kill(): Promise<void>;
  /** Where it listens. */
  readonly port: number;
  readonly tokenFile: string;
}

/** A server of `root` that is not started yet. */
export function createDemoServer(
  pool: ProcessPool,
  root: string,
  env: Readonly<Record<string, string>>,
): DemoServer {
  let port = 0;
  let tokenFile = '';
  let current: CliProcess | undefined;
  return {
    start: async () => {
      const listen = ['--listen', `127.0.0.1:${port}`];
      current = pool.start(['serve', '--root', root, ...listen, '--json', '--log-level', 'warn'], env);
      const line = await current.line('listening');
      port = Number(new URL(String(line['url'])).port);
      tokenFile = String(line['tokenFile']);
    },
    kill: async () => {
      current?.kill('SIGKILL');
      await current?.ended;
    },
    get port() {
      return port;
    },
    get tokenFile() {
      return tokenFile;
    },
  };
}
