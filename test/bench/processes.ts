/** Servers as processes: started, waited for, and ended. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { tailOf, type Command } from './measure.ts';

/** A server that accepts connections. */
export interface ServerProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Ends it in order, and waits for that. */
  stop(): Promise<void>;
  /** Kills it, and waits for that. */
  kill(): Promise<void>;
}

const START_LIMIT_MS = 10_000;
const STOP_LIMIT_MS = 10_000;
const living = new Set<ChildProcess>();

process.on('exit', killServers);

/** Kills every server that still runs: after a scenario that failed, or at the end. */
export function killServers(): void {
  for (const child of living) child.kill('SIGKILL');
}

/** Starts a server and waits until its port accepts. @throws Error with what it said, when it does not */
export async function startServer(command: Command, port: number): Promise<ServerProcess> {
  const [program, ...words] = command.words;
  const child = spawn(program!, words, {
    stdio: ['ignore', 'ignore', 'pipe'],
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
  });
  living.add(child);
  const said = tailOf(child.stderr);
  child.once('exit', () => living.delete(child));
  const endsAt = performance.now() + START_LIMIT_MS;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > endsAt) {
      child.kill('SIGKILL');
      throw new Error(`${path.basename(program!)} does not listen: ${said()}`);
    }
    await delay(5);
  }
  return {
    pid: child.pid!,
    child,
    stop: () => ended(child, 'SIGTERM'),
    kill: () => ended(child, 'SIGKILL'),
  };
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill(signal);
  const patience = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await gone;
  clearTimeout(patience);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Where a program is; undefined where it is not installed. */
export function programPath(name: string): string | undefined {
  const folders = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`.split(':');
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The first match of `pattern` in what a program says of its version. */
export function versionOf(program: string, words: readonly string[], pattern: RegExp): string {
  const { stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' });
  return pattern.exec(`${stdout}\n${stderr}`)?.[1] ?? 'of unknown version';
}
