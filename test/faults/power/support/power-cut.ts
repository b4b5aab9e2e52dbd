/** The moment of a power cut: whoever runs on a disk stands still, the disk goes, then they are gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliRun } from '../../../support/cli.ts';
import type { DiskServer } from '../../../support/servers.ts';
import type { PowerDisk } from './power-disk.ts';

/** A process that dies with its disk. */
export interface Victim {
  readonly pid: () => number | undefined;
  /** Kills it, and waits for its end. */
  kill(): Promise<unknown>;
}

/** A client as a victim. */
export function victimOf(run: CliRun): Victim {
  return {
    pid: () => (run.child.exitCode === null && run.child.signalCode === null ? run.child.pid : undefined),
    kill: () => {
      run.child.kill('SIGKILL');
      return run.result;
    },
  };
}

/** A server as a victim. */
export function serverVictim(server: DiskServer): Victim {
  return { pid: server.pid, kill: () => server.kill() };
}

/** What has its power cut: disks, and who runs on them. */
export interface PowerCut {
  readonly disks: readonly PowerDisk[];
  readonly victims: readonly Victim[];
  /**
   * How long who runs on the disks goes on without them, as after somebody pulled out a cable; 0: everything stands
   * still at once, as when the machine loses its power.
   */
  readonly outliveMs?: number;
}

/** Cuts the power and brings the disks back, as a boot does. Nothing runs on them then. */
export async function cutPower({ disks, victims, outliveMs = 0 }: PowerCut): Promise<void> {
  if (outliveMs === 0) for (const victim of victims) freeze(victim);
  for (const disk of disks) disk.cut();
  if (outliveMs > 0) await sleep(outliveMs);
  await Promise.all(victims.map((victim) => victim.kill()));
  for (const disk of disks) await disk.remount();
}

function freeze(victim: Victim): void {
  const pid = victim.pid();
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGSTOP');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended
  }
}
