/** The real CLI as processes of their own. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { CairnError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { ownProgram } from '../../process/own-command.ts';

/** How a process ended. */
export interface Ending {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** An object of a line of `--json`. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** A running cairn. */
export interface CliProcess {
  readonly ended: Promise<Ending>;
  /** Resolves with the first line of this type; rejects when the process ends without one. */
  line(type: string): Promise<JsonObject>;
  /** Lines of this type so far. */
  lines(type: string): readonly JsonObject[];
  /** The end of what it said on standard error. */
  complaint(): string;
  kill(signal: NodeJS.Signals): void;
}

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

const COMPLAINT_CHARACTERS = 4000;

/** Starts processes, and ends them all. */
export class ProcessPool {
  readonly #running = new Set<CliProcess>();

  /** Starts `cairn ARGS`. */
  start(args: readonly string[], env: Readonly<Record<string, string>>): CliProcess {
    const cli = startCli(args, env);
    this.#running.add(cli);
    void cli.ended.then(() => this.#running.delete(cli));
    return cli;
  }

  /** Ends what runs, at once; may be called as the process exits. */
  kill(): void {
    for (const cli of this.#running) cli.kill('SIGKILL');
  }

  /** Ends what runs and waits for it. */
  async stop(): Promise<void> {
    const ended = Array.from(this.#running, (cli) => cli.ended);
    this.kill();
    await Promise.all(ended);
  }
}

function startCli(args: readonly string[], env: Readonly<Record<string, string>>): CliProcess {
  const [program, ...script] = ownProgram();
  const child = spawn(program, [...script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...withoutOwnVariables(process.env), ...env },
    // Ctrl-C is for the demo, which ends its processes itself.
    detached: true,
  });
  let complaint = '';
  child.stderr.on('data', (piece: Buffer) => {
    complaint = (complaint + piece.toString()).slice(-COMPLAINT_CHARACTERS);
  });
  const seen: JsonObject[] = [];
  const waiting = new Set<{ type: string; done: (line: JsonObject) => void }>();
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parse(text);
    seen.push(line);
    for (const waiter of waiting) if (waiter.type === line['type']) waiter.done(line);
  });
  const ended = new Promise<Ending>((done) => {
    child.once('error', () => done({ exitCode: null, signal: null }));
    child.once('close', (exitCode, signal) => done({ exitCode, signal }));
  });
  const lines = (type: string): JsonObject[] => seen.filter((line) => line['type'] === type);
  return {
    ended,
    lines,
    line: (type) =>
      new Promise((done, fail) => {
        const [first] = lines(type);
        if (first !== undefined) done(first);
        waiting.add({ type, done });
        void ended.then((ending) => fail(endedEarly(args, ending, complaint)));
      }),
    complaint: () => complaint,
    kill: (signal) => void child.kill(signal),
  };
}

/** The user's tokens and options are for the user's own servers. */
function withoutOwnVariables(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('CAIRN_')));
}

function parse(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch {
    return { type: 'unreadable', text };
  }
}

/** The error for a process that did not do what the demo needs. */
export function endedEarly(args: readonly string[], ending: Ending, complaint: string): CairnError {
  const how = ending.signal ?? `exit code ${ending.exitCode}`;
  const said = complaint.trim().split('\n').slice(-10).map(printable).join('\n');
  return new CairnError('verify-failed', `"cairn ${args[0]}" ended unexpectedly (${how}):\n${said}`);
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
