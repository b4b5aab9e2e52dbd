/** A whole bench, as data. */
import { readFileSync } from 'node:fs';
import { arch, availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { ALL } from '../contestants/all.ts';
import type { ScenarioResult } from '../result.ts';

/** What `results.json` holds. */
export interface Report {
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly isQuick: boolean;
  readonly runs: number;
  readonly machine: string;
  /** Load of the machine in the last minute, when the bench began. */
  readonly load: number;
  readonly versions: readonly string[];
  /** Peers that are not installed, and what they need. */
  readonly missing: readonly string[];
  readonly scenarios: readonly ScenarioResult[];
}

/** Of what the machine is made. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? arch();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return `${availableParallelism()} × ${model}, ${memory} GiB, Linux ${release()}, ${systemName()}`;
}

function systemName(): string {
  return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux';
}

/** Who takes part and who does not. */
export function describeContestants(): Pick<Report, 'versions' | 'missing' | 'machine' | 'load'> {
  const present = ALL.filter((contestant) => contestant.missing() === undefined);
  const absent = ALL.filter((contestant) => contestant.missing() !== undefined);
  return {
    machine: describeMachine(),
    load: loadavg()[0]!,
    versions: [...new Set(present.flatMap((contestant) => contestant.versions()))],
    missing: absent.map((contestant) => `${contestant.name}: needs ${contestant.missing()}`),
  };
}
