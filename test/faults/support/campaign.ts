/**
 * How much of the fault suites runs, and with which seeds. `CAIRN_FAULTS=full` runs everything, `CAIRN_FAULT_SEED=N`
 * runs one seed again.
 */
import { expect } from 'vitest';
import { createRandom } from '../../support/random.ts';
import { REPLAYED_SEED, replayCommand } from './replay.ts';
import { reportCase, type CaseReport } from './report.ts';
import { Violation } from './violation.ts';

/** Whether everything runs, or a sample of it. */
export const IS_FULL = process.env['CAIRN_FAULTS'] === 'full';

/** After so many the rest would only say the same. */
const MAX_VIOLATIONS = 5;

/** One run of a case. */
export interface FaultRun {
  readonly seed: number;
  /** Repeatable for the same seed. */
  readonly random: () => number;
  /** Counts faults that were really injected. */
  injected(count?: number): void;
  /** Adds to a figure of the case's report; the sum of all runs is shown. */
  add(figure: string, value: number): void;
}

/** How often a case runs. */
export interface Scale {
  readonly sample: number;
  readonly full: number;
  /** A figure that some seeds leave at 0 by chance: a sample takes further seeds until it is above. */
  readonly until?: string;
}

/** How many times longer a sample becomes at most for the sake of a figure. */
const MAX_STRETCH = 8;

/**
 * Runs a case with one seed after the other, reports it, and throws when a promise was broken, naming the seeds that
 * show it again.
 *
 * @param suite name of the suite, as in its folder
 */
export async function campaign(
  suite: string,
  name: string,
  scale: Scale,
  run: (given: FaultRun) => Promise<void>,
): Promise<CaseReport> {
  const startedAtMs = performance.now();
  const figures: Record<string, number> = {};
  const isMissing = (figure: string): boolean => !((figures[figure] ?? 0) > 0);
  const { count, most } = countOf(scale);
  const first = REPLAYED_SEED ?? 1;
  const broken: Error[] = [];
  let faults = 0;
  let runs = 0;
  while (runs < count || (runs < most && isMissing(scale.until!))) {
    if (broken.length >= MAX_VIOLATIONS) break;
    const seed = first + runs;
    runs += 1;
    try {
      await run({
        seed,
        random: createRandom(seed),
        injected: (more = 1) => void (faults += more),
        add: (figure, value) => void (figures[figure] = (figures[figure] ?? 0) + value),
      });
    } catch (error) {
      // Of an aggregate vitest shows the parts and not its own message.
      const what = `seed ${seed} of "${name}": ${messageOf(error)}\nto see it again: ${replayOf(seed)}`;
      broken.push(new Error(what, { cause: error }));
    }
  }
  const violations = broken.map(({ cause }) => cause);
  const report: CaseReport = {
    suite,
    name,
    runs,
    faults,
    bytesLost: sum(violations, 'lost'),
    mixtures: sum(violations, 'mixture'),
    falseSuccesses: sum(violations, 'false-success'),
    violations: broken.length,
    figures,
    seconds: (performance.now() - startedAtMs) / 1000,
  };
  reportCase(report);
  if (broken.length === 0) return report;
  throw new AggregateError(broken, broken.map(({ message }) => message).join('\n'));
}

/** How many seeds run, and how many at most where a figure is missing. */
function countOf({ sample, full, until }: Scale): { count: number; most: number } {
  if (REPLAYED_SEED !== undefined) return { count: 1, most: 1 };
  if (IS_FULL) return { count: full, most: full };
  return { count: sample, most: until === undefined ? sample : sample * MAX_STRETCH };
}

function replayOf(seed: number): string {
  const { testPath = '', currentTestName: testName = '' } = expect.getState();
  return replayCommand({ file: testPath, testName, isFull: IS_FULL, seed });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sum(errors: readonly unknown[], kind: Violation['kind']): number {
  return errors.reduce<number>(
    (total, error) => total + (error instanceof Violation && error.kind === kind ? error.amount : 0),
    0,
  );
}
