/** Many seeds in this process. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { addSeed, emptyReport, type Report } from './report.ts';
import type { SeedResult } from './run-seed.ts';

/** Seeds between two turns of the event loop: nothing real is waited for within one. */
const SEEDS_PER_TURN = 20;

/** Which seeds to run. */
export interface SeedRange {
  readonly from: number;
  readonly count: number;
  /** Every so many: others run those between. */
  readonly stride?: number;
}

/** What somebody wants to do with the seeds as they come. */
export interface SeedHooks {
  /** Looked at after each seed; true ends early. */
  readonly enough?: (report: Report) => boolean;
  readonly onViolation?: (result: SeedResult) => void;
}

/** Runs seeds one after the other, each by `run`. */
export async function runSeeds(
  run: (seed: number) => Promise<SeedResult>,
  { from, count, stride = 1 }: SeedRange,
  { enough = () => false, onViolation = () => undefined }: SeedHooks = {},
): Promise<Report> {
  const report = emptyReport();
  const before = Error.stackTraceLimit;
  // Where errors come from is for who replays a seed; finding out takes a tenth of the time.
  Error.stackTraceLimit = 0;
  const cpuBefore = process.cpuUsage();
  try {
    for (let index = 0; index < count && !enough(report); index += 1) {
      const result = await run(from + index * stride);
      addSeed(report, result);
      if (result.violation !== undefined) onViolation(result);
      if (index % SEEDS_PER_TURN === 0) await nextTurn();
    }
  } finally {
    Error.stackTraceLimit = before;
    const { user, system } = process.cpuUsage(cpuBefore);
    report.cpuMs += (user + system) / 1000;
  }
  return report;
}
