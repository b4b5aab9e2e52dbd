import { readFileSync } from 'node:fs';
import { systemCodeOf } from './errors.ts';

/** Distinguishes a process of this machine from all others, also from earlier and later ones: pids are used again. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process (field 22 of proc(5) stat); '' where there is no /proc. */
  readonly startTime: string;
  /** Random id of this boot of the kernel; '' where there is no /proc. */
  readonly bootId: string;
}

/** Identifies this process, and tells whether another one still lives. Tests replace it. */
export interface ProcessInspector {
  self(): ProcessIdentity;
  isAlive(identity: ProcessIdentity): boolean;
}

/** The identity in a JSON text that a process wrote to a file; undefined for any other text. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  try {
    const { pid, startTime, bootId: boot } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof boot !== 'string')
      return undefined;
    // To kill(2), 0 and negative numbers mean whole groups of processes.
    return Number.isSafeInteger(pid) && pid > 0 ? { pid, startTime, bootId: boot } : undefined;
  } catch {
    return undefined;
  }
}

interface ProcessStat {
  readonly state: string;
  readonly startTime: string;
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** The needed fields of the text of `/proc/PID/stat`; undefined when the text has another form (proc(5)). */
export function parseProcessStat(text: string): ProcessStat | undefined {
  // The second field is the command's name in parentheses, which may itself contain blanks and parentheses.
  const fields = text
    .slice(text.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  const [state] = fields;
  const startTime = fields[19];
  return state === undefined || startTime === undefined ? undefined : { state, startTime };
}

function statOf(pid: number | 'self'): ProcessStat | undefined {
  const text = readOrUndefined(`/proc/${pid}/stat`);
  return text === undefined ? undefined : parseProcessStat(text);
}

function bootId(): string {
  return readOrUndefined('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function answersSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCodeOf(error) === 'EPERM';
  }
}

/**
 * The inspector of this machine: /proc where it exists, else signal 0. It sees one machine and one pid namespace:
 * a holder on another host or in another container looks dead, since a lock that no process can ever clear is worse.
 */
export const systemInspector: ProcessInspector = {
  self: () => ({ pid: process.pid, startTime: statOf('self')?.startTime ?? '', bootId: bootId() }),
  isAlive: (identity) => {
    if (!answersSignals(identity.pid)) return false;
    if (identity.bootId !== bootId()) return false;
    if (identity.startTime === '') return true;
    const stat = statOf(identity.pid);
    // With hidepid this process cannot read another user's; one that answers signals may be the holder.
    if (stat === undefined) return statOf('self') !== undefined && answersSignals(identity.pid);
    // A zombie does nothing any more; it only waits for its parent to collect its status.
    return stat.startTime === identity.startTime && stat.state !== 'Z' && stat.state !== 'X';
  },
};
