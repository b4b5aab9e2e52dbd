/** What a scenario found out. */
import type { Measurement } from './measure.ts';

/** One contestant in one scenario. */
export interface Row {
  readonly contestant: string;
  readonly runs: readonly Measurement[];
  /** What it moved, in bytes, where that is not what the others moved: it is compared by rate, then. */
  readonly bytes?: number;
}

/** Whether a target is met. */
export interface Verdict {
  /** The target as the reader knows it. */
  readonly target: string;
  /** What was measured, in the unit of the limit. */
  readonly value: number;
  readonly limit: number;
  /** Whether the value has to be at most the limit, or at least. */
  readonly bound: 'at most' | 'at least';
  readonly unit: '×' | 's' | 'MB' | '%';
  /** The smallest and the largest value of single rounds, where there are several. */
  readonly range?: readonly [number, number];
}

/** How a cost grows with the amount of work. */
export interface Growth {
  readonly title: string;
  /** What is counted along the horizontal axis. */
  readonly unit: string;
  readonly points: readonly { readonly amount: number; readonly run: Measurement }[];
}

/** Everything that a scenario found out. */
export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  /** What one run moves, in bytes; for rates. */
  readonly bytes?: number;
  readonly rows: readonly Row[];
  readonly verdicts: readonly Verdict[];
  readonly growths?: readonly Growth[];
  readonly notes: readonly string[];
}

/** The middle value; the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Medians of everything that was measured. */
export function medianRun(runs: readonly Measurement[]): Measurement {
  const of = (pick: (run: Measurement) => number): number => median(runs.map(pick));
  return {
    wallS: of((run) => run.wallS),
    client: { cpuS: of((run) => run.client.cpuS), peakBytes: of((run) => run.client.peakBytes) },
    server: { cpuS: of((run) => run.server.cpuS), peakBytes: of((run) => run.server.peakBytes) },
  };
}

/** Whether a verdict's value is within its limit. */
export function isMet({ value, limit, bound }: Verdict): boolean {
  return bound === 'at most' ? value <= limit : value >= limit;
}

/**
 * Compares cairn's time with a peer's, by rate where they moved different amounts; undefined where the peer did not
 * run. The value is cairn / peer, or peer / cairn for a lower bound.
 */
export function compare(
  result: { rows: readonly Row[]; bytes?: number },
  peer: string,
  target: { limit: number; bound: Verdict['bound'] },
): Verdict | undefined {
  const row = (name: string): Row | undefined => result.rows.find(({ contestant }) => contestant === name);
  const [ours, theirs] = [row('cairn'), row(peer)];
  if (ours === undefined || theirs === undefined) return undefined;
  const perByte = ({ runs, bytes }: Row): number[] =>
    runs.map(({ wallS }) => wallS / (bytes ?? result.bytes ?? 1));
  const ratio = (a: number, b: number): number => (target.bound === 'at most' ? a / b : b / a);
  const [our, their] = [perByte(ours), perByte(theirs)];
  const singles = our.map((value, round) => ratio(value, their[Math.min(round, their.length - 1)]!));
  const sign = target.bound === 'at most' ? '≤' : '≥';
  const words = target.bound === 'at most' ? `× the time of ${peer}` : `× as fast as ${peer}`;
  return {
    target: `${sign} ${target.limit} ${words}`,
    value: ratio(median(our), median(their)),
    ...target,
    unit: '×',
    range: [Math.min(...singles), Math.max(...singles)],
  };
}

/** The verdicts that could be found. */
export function found(verdicts: readonly (Verdict | undefined)[]): Verdict[] {
  return verdicts.filter((verdict) => verdict !== undefined);
}
