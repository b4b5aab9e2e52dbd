/** The built CLI as real processes. */
import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { onTestFinished } from 'vitest';

const BIN = path.resolve(import.meta.dirname, '../../bin/cairn.js');

/** How a process ended and what it said. */
export interface CliResult {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
  /** The JSON lines of standard output, where there are any. */
  readonly lines: Record<string, unknown>[];
  /** The last JSON line. */
  readonly last: Record<string, unknown>;
}

/** A running command. */
export interface CliRun {
  readonly child: ChildProcess;
  readonly result: Promise<CliResult>;
}

/** Where a client keeps its state in a test, and the token it uses. */
export interface CliEnvironment {
  readonly stateHome: string;
  readonly token?: string | undefined;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Words to put before the command. */
  readonly before?: readonly string[];
  /** Written to standard input, which is then closed; without it there is none. */
  readonly stdin?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Starts `cairn ARGS`. It is killed when the test ends. */
export function startCairn(args: readonly string[], environment: CliEnvironment): CliRun {
  // Node 20 reads these authorities at every start, which takes longer than many a command does.
  const { CAIRN_TOKEN: _token, NODE_EXTRA_CA_CERTS: _authorities, ...inherited } = process.env;
  const [program, ...words] = [...(environment.before ?? []), process.execPath, BIN, ...args];
  const child = spawn(program!, words, {
    stdio: [environment.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    cwd: environment.cwd,
    env: {
      ...inherited,
      CAIRN_STATE_HOME: environment.stateHome,
      ...(environment.token === undefined ? {} : { CAIRN_TOKEN: environment.token }),
      ...environment.env,
    },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  if (environment.stdin !== undefined) void feed(child, environment.stdin);
  return { child, result: collect(child) };
}

/** Runs `cairn ARGS` to its end. */
export function cairn(args: readonly string[], environment: CliEnvironment): Promise<CliResult> {
  return startCairn(args, environment).result;
}

async function feed(child: ChildProcess, source: NonNullable<CliEnvironment['stdin']>): Promise<void> {
  const stdin = child.stdin!;
  let gone = false;
  stdin.on('error', () => {
    gone = true; // the command ended before its input did, which the test sees in its exit code
  });
  for await (const bytes of source) {
    if (gone || child.exitCode !== null) return;
    if (!stdin.write(bytes))
      await new Promise((resolve) => stdin.once('drain', resolve).once('close', resolve));
  }
  stdin.end();
}

async function collect(child: ChildProcess): Promise<CliResult> {
  const stdout: Buffer[] = [];
  let stderr = '';
  child.stdout!.on('data', (bytes: Buffer) => stdout.push(bytes));
  child.stderr!.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  const [exitCode, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
    child.once('close', (code, reason) => resolve([code, reason]));
  });
  const bytes = Buffer.concat(stdout);
  const lines = jsonLines(bytes);
  return { exitCode, signal, stdout: bytes, stderr, lines, last: lines.at(-1) ?? {} };
}

function jsonLines(bytes: Buffer): Record<string, unknown>[] {
  if (bytes.length > 16 * 1024 * 1024 || bytes[0] !== 0x7b) return [];
  const lines: Record<string, unknown>[] = [];
  for (const line of bytes.toString().split('\n')) {
    // A process that was killed leaves its last line cut.
    if (line.startsWith('{') && line.endsWith('}')) lines.push(JSON.parse(line));
  }
  return lines;
}

/** Resolves once a JSON line that fits has been printed; rejects if the process ends before. */
export function untilLine(
  run: CliRun,
  fits: (line: Record<string, unknown>) => boolean,
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    let text = '';
    run.child.stdout!.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const lines = text.split('\n');
      text = lines.pop()!;
      for (const line of lines) {
        const value: Record<string, unknown> = line.startsWith('{') ? JSON.parse(line) : {};
        if (fits(value)) resolve(value);
      }
    });
    void run.result.then((result) =>
      reject(new Error(`ended before: exit ${result.exitCode}\n${result.stderr}`)),
    );
  });
}
