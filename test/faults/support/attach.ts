/** Faults at system calls of a process that runs already, by strace; and what a trace says of them. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryDirectory } from '../../support/trees.ts';
import type { Injection } from './strace.ts';

/** A process under strace. */
export interface Attached {
  /** Lets the process go on without faults; answers the trace. */
  detach(): Promise<string>;
  /** Ends strace, which waits for the end of a delay even where the process has ended. */
  kill(): Promise<void>;
}

/** What is traced, and what is done to it. */
export interface AttachOptions {
  readonly calls: readonly string[];
  readonly inject?: readonly Injection[];
  /** Leaves the other threads alone. */
  readonly mainThread?: boolean;
}

/** Traces `calls` of a process and all its threads; faults count from now on, a thread each. */
export async function attach(
  pid: number,
  { calls, inject = [], mainThread = false }: AttachOptions,
): Promise<Attached> {
  const log = path.join(temporaryDirectory(), 'trace');
  const child = spawn(
    'strace',
    [
      mainThread ? '-yp' : '-fyp',
      String(pid),
      '-o',
      log,
      '-e',
      `trace=${calls.join(',')}`,
      ...inject.flatMap((words) => ['-e', `inject=${words}`]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      if (said.includes('attached')) resolve();
    });
    void ended.then(() => reject(new Error(`strace ended: ${said}`)));
  });
  return {
    detach: async () => {
      child.kill('SIGINT');
      await ended;
      return existsSync(log) ? readFileSync(log, 'utf8') : '';
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** How many faults a trace shows. */
export function countInjected(trace: string): number {
  return trace.split('(INJECTED)').length - 1;
}

/** How often each call was made at most by one thread: the highest N at which a fault can hit. */
export function countCalls(trace: string): Map<string, number> {
  const byThread = new Map<string, number>();
  const most = new Map<string, number>();
  for (const [, thread, name] of trace.matchAll(/^(\d+) +(\w+)\(/gm)) {
    const count = (byThread.get(`${thread} ${name}`) ?? 0) + 1;
    byThread.set(`${thread} ${name}`, count);
    most.set(name!, Math.max(most.get(name!) ?? 0, count));
  }
  return most;
}

/** A call of a trace with `-y`, whose two halves have been joined where another thread came between them. */
export interface JoinedCall {
  readonly name: string;
  /** Descriptor and what it is open on, where the first argument is one. */
  readonly fd: number | undefined;
  readonly path: string;
  readonly line: string;
  readonly isInjected: boolean;
  /** What it returned. */
  readonly result: number;
}

/** The calls of a trace in the order in which they ended. */
export function joinedCalls(trace: string): JoinedCall[] {
  const begun = new Map<string, string>();
  const calls: JoinedCall[] = [];
  for (const line of trace.split('\n')) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    if (rest.endsWith('<unfinished ...>')) {
      begun.set(thread, rest.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const whole = resumed === null ? rest : `${begun.get(thread) ?? ''}${resumed[1]}`;
    const match = /^(\w+)\((?:(\d+)<([^>]*)>)?.* = (-?\d+)/.exec(whole);
    if (match === null) continue;
    const [, name, fd, open = '', result] = match;
    calls.push({
      name: name!,
      fd: fd === undefined ? undefined : Number(fd),
      path: open,
      line: whole,
      isInjected: whole.includes('(INJECTED)'),
      result: Number(result),
    });
  }
  return calls;
}
