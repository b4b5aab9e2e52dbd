/** What happens to a job at night: its processes are killed, the server is, or the machine loses its power. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { CliRun } from '../../support/cli.ts';
import { cutPower, type Victim } from '../power/support/power-cut.ts';
import { childrenOf, type NightScene } from './night-scene.ts';

/** A fault of one night. */
export interface NightFault {
  readonly name: string;
  /** Whether the run cannot write its end. */
  readonly killsRun: boolean;
  /** How long the job waits for the server. */
  readonly retryFor: string;
  /** Does it, and waits until the job has ended; its transfer may need a moment more. */
  strike(scene: NightScene, run: CliRun): Promise<void>;
}

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it has ended
  }
};

const killTransfer = ({ child }: CliRun): void => childrenOf(child.pid!).forEach(kill);

/** The job and its transfer, which die with their machine. */
function machineOf(run: CliRun): Victim[] {
  const { child, result } = run;
  const isAlive = (): boolean => child.exitCode === null && child.signalCode === null;
  const transfers = isAlive() ? childrenOf(child.pid!) : [];
  return [
    { pid: () => (isAlive() ? child.pid : undefined), kill: () => (child.kill('SIGKILL'), result) },
    ...transfers.map((pid) => ({ pid: () => pid, kill: async () => kill(pid) })),
  ];
}

/** All of them. */
export const NIGHT_FAULTS: readonly NightFault[] = [
  {
    name: 'the job is killed',
    killsRun: true,
    retryFor: '20s',
    strike: async (_scene, { child }) => {
      child.kill('SIGKILL');
      await ended(child);
    },
  },
  {
    name: 'the job and its transfer are killed',
    killsRun: true,
    retryFor: '20s',
    strike: async (_scene, run) => {
      const transfers = childrenOf(run.child.pid!);
      run.child.kill('SIGKILL');
      transfers.forEach(kill);
      await ended(run.child);
    },
  },
  {
    name: 'the transfer is killed',
    killsRun: false,
    retryFor: '20s',
    strike: async (_scene, run) => {
      killTransfer(run);
      await ended(run.child);
    },
  },
  {
    name: 'the server is killed and comes back',
    killsRun: false,
    retryFor: '20s',
    strike: async ({ world: { server } }, { child }) => {
      await server.kill();
      await server.start();
      await ended(child);
    },
  },
  {
    name: 'the server is killed and stays away',
    killsRun: false,
    retryFor: '1s',
    strike: async ({ world: { server } }, { child }) => {
      await server.kill();
      await ended(child);
      await server.start();
    },
  },
  {
    name: 'the machine of the client loses its power',
    killsRun: true,
    retryFor: '20s',
    strike: ({ disk }, run) => cutPower({ disks: [disk], victims: machineOf(run) }),
  },
];
