/** Runs a command and measures it: wall time, CPU seconds and peak memory, of itself and of the servers it talks to. */
import { spawn, type ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuOf, resetPeaks, watchPeak, withDescendants, type PeakWatch } from './process-tree.ts';

/** What to start, and how. */
export interface Command {
  readonly words: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** What one side of a transfer cost. */
export interface Cost {
  /** Seconds of CPU, user and system, of all its processes. */
  readonly cpuS: number;
  /** The most memory that all its processes had resident, in bytes; shared pages count in each of them. */
  readonly peakBytes: number;
}

/** What one run cost. */
export interface Measurement {
  readonly wallS: number;
  readonly client: Cost;
  readonly server: Cost;
}

/** A command under way. */
export interface MeasuredRun {
  /** The process id of the command itself. */
  readonly pid: Promise<number>;
  /** @throws Error with what the command said, when it ends with anything but 0 */
  readonly result: Promise<Measurement>;
}

const LOOK_EVERY_MS = 25;
/** Looking for new processes costs some milliseconds: soon at first, then each tenth look. */
const THOROUGH_LOOKS = new Set([0, 2, 5]);
/** What a server still has to do when its client has gone belongs to the run. */
const AFTERMATH_MS = 60;
/** Tells the id of the command, and at the end the exact CPU time of it and all that it waited for. */
const WRAPPER = '"$@" 3>&- & echo $! >&3; wait $!; code=$?; times >&3; exit $code';

/** Starts a command; `servers` are the processes of the other side, with their descendants. */
export function startMeasured(command: Command, servers: readonly number[]): MeasuredRun {
  resetPeaks(withDescendants(servers));
  const serverBeforeS = cpuOf(servers);
  const startedAt = performance.now();
  const child = spawn('sh', ['-c', WRAPPER, 'sh', ...command.words], {
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
    cwd: command.cwd,
    env: { ...process.env, ...command.env },
  });
  const told = linesOf(child.stdio[3] as Readable);
  const pid = told.first.then(Number);
  const result = measured(child, { pid, told, servers, startedAt, serverBeforeS, words: command.words });
  // Whoever kills the command on purpose is not interested in how it ended.
  result.catch(() => undefined);
  return { pid, result };
}

/** Runs a command to its end. @throws Error with what it said, when that is not a success */
export function measure(command: Command, servers: readonly number[]): Promise<Measurement> {
  return startMeasured(command, servers).result;
}

interface Under {
  readonly pid: Promise<number>;
  readonly told: Told;
  readonly servers: readonly number[];
  readonly startedAt: number;
  readonly serverBeforeS: number;
  readonly words: readonly string[];
}

async function measured(child: ChildProcess, under: Under): Promise<Measurement> {
  const said = tailOf(child.stderr!);
  const ended = new Promise<{ code: number | null; wallS: number }>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve({ code, wallS: (performance.now() - under.startedAt) / 1000 }));
  });
  const server = watchPeak(under.servers);
  const client = watchPeak([await under.pid]);
  const stop = lookRegularly([client, server]);
  const { code, wallS } = await ended.finally(stop);
  if (code !== 0) {
    throw new Error(`${under.words.slice(0, 3).join(' ')} … ended with ${code}: ${said()}`);
  }
  await delay(AFTERMATH_MS);
  server.look(true);
  const serverCpuS = cpuOf(under.servers) - under.serverBeforeS;
  const clientCpuS = cpuFromTimes(await under.told.all);
  return {
    wallS,
    client: { cpuS: clientCpuS, peakBytes: client.peakBytes },
    server: { cpuS: serverCpuS, peakBytes: server.peakBytes },
  };
}

function lookRegularly(watches: readonly PeakWatch[]): () => void {
  let looks = 0;
  const look = (): void => {
    const isThorough = THOROUGH_LOOKS.has(looks) || looks % 10 === 9;
    for (const watch of watches) watch.look(isThorough);
    looks += 1;
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

/** The last line of the shell's `times` is of its children: `0m1.234s 0m0.567s`. */
function cpuFromTimes(text: string): number {
  const last = text.trim().split('\n').at(-1) ?? '';
  return [...last.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, seconds]) => sum + Number(minutes) * 60 + Number(seconds),
    0,
  );
}

interface Told {
  readonly first: Promise<string>;
  readonly all: Promise<string>;
}

function linesOf(stream: Readable): Told {
  let text = '';
  let tellFirst: (line: string) => void;
  const first = new Promise<string>((resolve) => (tellFirst = resolve));
  const all = new Promise<string>((resolve) => {
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      const end = text.indexOf('\n');
      if (end >= 0) tellFirst(text.slice(0, end));
    });
    stream.once('close', () => resolve(text));
  });
  return { first, all };
}

const KEPT_CHARACTERS = 2000;

/** Keeps the end of what a process says. */
export function tailOf(stream: Readable): () => string {
  let text = '';
  stream.on('data', (bytes: Buffer) => (text = (text + bytes.toString()).slice(-KEPT_CHARACTERS)));
  return () => text.trim();
}
