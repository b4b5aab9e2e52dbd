/** What `/proc` says of a process and everything that it started: CPU time and memory. */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';

/** Clock ticks a second in `/proc/PID/stat`: 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;
const BYTES_PER_KIB = 1024;
/** What ends the `comm` field, which may itself contain blanks and parentheses. */
const AFTER_NAME = /^\d+ \(.*\) /s;

interface Stat {
  readonly parent: number;
  /** Seconds of CPU, user and system, of the process and of its children that have ended. */
  readonly cpuS: number;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined; // the process ended meanwhile
  }
}

function statOf(pid: number): Stat | undefined {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.replace(AFTER_NAME, '').split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + Number(fields[at]), 0);
  return { parent: Number(fields[1]), cpuS: ticks / TICKS_PER_S };
}

/** These processes and all their living descendants; costs a look at every process of the machine. */
export function withDescendants(roots: readonly number[]): number[] {
  const children = new Map<number, number[]>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    const parent = Number.isInteger(pid) ? statOf(pid)?.parent : undefined;
    if (parent === undefined) continue;
    const siblings = children.get(parent);
    if (siblings === undefined) children.set(parent, [pid]);
    else siblings.push(pid);
  }
  const found = [...roots];
  for (let at = 0; at < found.length; at += 1) found.push(...(children.get(found[at]!) ?? []));
  return found;
}

/** Seconds of CPU that these processes, their descendants and their children that have ended have used so far. */
export function cpuOf(roots: readonly number[]): number {
  return withDescendants(roots).reduce((sum, pid) => sum + (statOf(pid)?.cpuS ?? 0), 0);
}

/** The most memory that a process had resident at any time, in bytes; 0 for one that has ended. */
export function peakOf(pid: number): number {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return Number(kib ?? 0) * BYTES_PER_KIB;
}

/** Lets the peaks of these processes begin again from what is resident now. */
export function resetPeaks(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      writeFileSync(`/proc/${pid}/clear_refs`, '5');
    } catch {
      // Kernels may refuse it; then the peak is that of the process's whole life, which is never less.
    }
  }
}

/** Watches the memory of a tree of processes whose members come and go. */
export interface PeakWatch {
  /** Looks once; `isThorough` looks for new descendants, too. */
  look(isThorough: boolean): void;
  /** The largest sum of the peaks of members that lived at the same time, in bytes. */
  readonly peakBytes: number;
}

/** Starts to watch; nothing is looked at before the first {@link PeakWatch.look}. */
export function watchPeak(roots: readonly number[]): PeakWatch {
  let members = [...roots];
  let peakBytes = 0;
  return {
    look: (isThorough) => {
      if (isThorough) members = withDescendants(roots);
      peakBytes = Math.max(
        peakBytes,
        members.reduce((sum, pid) => sum + peakOf(pid), 0),
      );
    },
    get peakBytes() {
      return peakBytes;
    },
  };
}
