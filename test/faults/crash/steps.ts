/** The steps of a process that can be seen from outside: what it does to files, and what it says to the other side. */
import { existsSync } from 'node:fs';
import { readTrace, traced, type TracedCall } from '../support/strace.ts';

/** System calls that are steps, where they change something or say something. */
const CALLS = [
  'openat,mkdir,mkdirat,link,symlink,rename,renameat,renameat2,unlink,unlinkat,rmdir,chmod,fchmod,utimensat',
  'ftruncate',
  'write,writev,pwrite64,pwritev,sendto,sendmsg,fsync,fdatasync,sync_file_range,syncfs',
].join(',');

/** A place at which a process can be stopped: before the Nth call of a kind in one of its threads. */
export interface Step {
  readonly call: string;
  readonly nth: number;
  /** Where the event loop runs, or in the thread pool. */
  readonly thread: 'main' | 'pool';
  /** For people: what is done to what, and for the how manieth time. */
  readonly name: string;
}

type Launch = ReturnType<typeof traced>;

/** How to start a process so that all of its steps are written down in `log`. */
export function watching(log: string): Launch {
  return traced({ calls: CALLS, log, verbose: true });
}

/**
 * How to start a process so that a signal comes to it right before a step; what it did before is in `log`. The thread
 * pool cannot be traced without the main thread: where both make the same calls, the first one to reach the number is
 * hit.
 */
export function stoppingAt({ call, nth, thread }: Step, signal: 'SIGKILL' | 'SIGTERM', log: string): Launch {
  const inject = [`${call}:signal=${signal}:when=${nth}`];
  return traced({ calls: CALLS, inject, log, verbose: true, mainThread: thread === 'main' });
}

/** The steps in the trace of an undisturbed run, in order, less the calls that change and say nothing. */
export function stepsIn(log: string): Step[] {
  const trace = readTrace(log);
  const main = trace[0]?.thread;
  const named = new Map<string, number>();
  return countedCalls(trace).flatMap(({ thread, name: call, line, nth }) => {
    if (!isStep(line)) return [];
    const what = describe(call, line);
    const times = (named.get(what) ?? 0) + 1;
    named.set(what, times);
    const name = times === 1 ? what : `${what} #${times}`;
    return [{ call, nth, thread: thread === main ? 'main' : 'pool', name }];
  });
}

/** A step for each seed, so that few of them are of every kind, and as many as there are steps are all of them. */
export function stepOf(steps: readonly Step[], seed: number): Step {
  const stride = strideOf(steps.length);
  return steps[((seed - 1) * stride) % steps.length]!;
}

/** Any two steps, for a second kill while a side recovers from the first. */
export function twoStepsOf(steps: readonly Step[], random: () => number): Step[] {
  return [0, 1].map(() => steps[Math.floor(random() * steps.length)]!);
}

function strideOf(count: number): number {
  let stride = Math.max(1, Math.round(count * 0.618));
  while (greatestDivisor(stride, count) > 1) stride += 1;
  return stride;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** What a process was about to do when a signal came to it at a step; undefined where it did not get so far. */
export function stoppedBefore(step: Step, log: string): string | undefined {
  const [hit] = hits(step, log);
  return hit && describe(step.call, hit.line);
}

/** How often a signal came to a process at a step: strace counts for each thread, and the pool may get there, too. */
export function timesStopped(step: Step, log: string): number {
  return hits(step, log).length;
}

function hits({ call, nth }: Step, log: string): TracedCall[] {
  if (!existsSync(log)) return [];
  return countedCalls(readTrace(log)).filter((made) => made.name === call && made.nth === nth);
}

/** Calls with how many of their kind the thread had made with it. */
function countedCalls(trace: readonly TracedCall[]): (TracedCall & { nth: number })[] {
  const made = new Map<string, number>();
  return trace.map((traceCall) => {
    const key = `${traceCall.thread} ${traceCall.name}`;
    const nth = (made.get(key) ?? 0) + 1;
    made.set(key, nth);
    return { ...traceCall, nth };
  });
}

function isStep(line: string): boolean {
  if (line.includes(' = -1 ')) return false;
  if (line.includes(' openat(') && !line.includes('O_CREAT')) return false;
  // Threads waking each other, signals, and a standard error that is no promise.
  const isInner = /\b(write|writev)\((?!1<)\d+<(anon_inode|pipe):/.test(line);
  return !isInner && !/\b\w+\(2<|\bfsync\(1</.test(line);
}

function describe(call: string, line: string): string {
  const said = /"((?:HTTP\/1\.1 \d+|[A-Z]+ \/)[^"\\]*)/.exec(line)?.[1];
  if (said !== undefined) return `${call} ${saidBriefly(said, line)}`;
  if (line.includes('<socket:')) return `${call} more bytes to a socket`;
  if (/\(1</.test(line)) return `${call} to standard output`;
  const quoted = [...line.matchAll(/"([^"]*)"/g)].map(([, text]) => text!);
  if (/^(openat|mkdirat|unlinkat|renameat2?)$/.test(call))
    return `${call} ${placesBetween(line).map(shortName).join(' → ')}`;
  const behind = /\(\d+<([^>]*)>/.exec(line)?.[1];
  const names =
    call === 'rename' || call === 'link' || call === 'symlink' ? quoted : [behind ?? quoted[0] ?? ''];
  return `${call} ${names.map(shortName).join(' → ')}`;
}

/** The paths of names in open directories: `renameat(21</a>, "b", 22</c>, "d")`. */
function placesBetween(line: string): string[] {
  return [...line.matchAll(/<([^>]*)>, "([^"]*)"/g)].map(([, directory, name]) =>
    name!.startsWith('/') ? name! : `${directory}/${name}`,
  );
}

function saidBriefly(said: string, line: string): string {
  if (!said.startsWith('HTTP'))
    return said.split(' HTTP')[0]!.replace(/\/\.cairn\/v1\/(sessions\/[^/ ]+\/?)?/, '');
  const body = /iov_base="\{([^}]*)/.exec(line)?.[1] ?? '';
  return `${said.slice('HTTP/1.1 '.length)} ${body.replaceAll('\\"', '').replace(/:.*/, '')}`.trim();
}

/** A path without what is different in every run. */
function shortName(path: string): string {
  return path
    .replace(/^.*\/(transfers|staging|sessions|servers|lock)\b/, '$1')
    .replace(/^\/proc\/self\/fd\/\d+/, '…')
    .replace(/^.*\/(root|arrived)(\/|$)/, '$1$2')
    .replace(/(staging|transfers)\/[\w-]{20,}/, '$1/*')
    .replace(/\/[\w-]{22}\.json/, '/*.json')
    .replace(/-?[0-9a-f]{12,}(?=\.tmp)/, '*')
    .replace(/\d+_\d+\.json|127\.0\.0\.1_\d+\.json/, '*.json');
}
