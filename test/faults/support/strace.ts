/** Faults at system calls of a real process, by strace. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Whether strace is there and may trace. */
export const canTrace =
  process.platform === 'linux' && spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;

/** What to do to one kind of system call, in the words of `strace --inject`: `fdatasync:error=EIO:when=3`. */
export type Injection = string;

/** How a command is traced. */
export interface TraceOptions {
  /** System calls to trace, separated by commas; those of the injections are traced anyhow. */
  readonly calls?: string;
  readonly inject?: readonly Injection[];
  /** Where the trace goes. */
  readonly log?: string;
  /** Only calls that are about a path below this one. */
  readonly path?: string;
  /** Leaves the other threads alone: counts and injects where the event loop runs, and nowhere else. */
  readonly mainThread?: boolean;
  /** Names the files behind descriptors, and shows more of what is written. */
  readonly verbose?: boolean;
}

/**
 * Words before a command, and its environment: it stays the child that was started (`-D`), and its thread pool has one
 * thread, because strace counts calls a thread.
 */
export function traced(options: TraceOptions): { before: string[]; env: Record<string, string> } {
  const { calls, inject = [], log = '/dev/null', path, mainThread = false, verbose = false } = options;
  const names = [...(calls === undefined ? [] : [calls]), ...inject.map((words) => words.split(':')[0]!)];
  // With --seccomp-bpf strace 6.1 injects errors, and silently no signals; it also needs -f.
  const isFast = !mainThread && !inject.some((words) => words.includes('signal='));
  return {
    before: [
      'strace',
      '-D',
      '-qq',
      '-o',
      log,
      ...(mainThread ? [] : ['-f']),
      ...(isFast ? ['--seccomp-bpf'] : []),
      ...(verbose ? ['-y', '-s', '120'] : []),
      '-e',
      `trace=${names.join(',')}`,
      ...inject.flatMap((words) => ['-e', `inject=${words}`]),
      ...(path === undefined ? [] : ['-P', path]),
      '--',
    ],
    env: { UV_THREADPOOL_SIZE: '1' },
  };
}

/** One line of a trace. */
export interface TracedCall {
  /** Its id; 0 where only the main thread was traced. */
  readonly thread: number;
  readonly name: string;
  readonly line: string;
}

/** The calls in a trace, in order. */
export function readTrace(log: string): TracedCall[] {
  return readFileSync(log, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const match = /^(?:(\d+) +)?(\w+)\(/.exec(line);
      return match === null ? [] : [{ thread: Number(match[1] ?? 0), name: match[2]!, line }];
    });
}
