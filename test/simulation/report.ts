/** What many seeds have shown, added up. */
import type { SeedResult } from './run-seed.ts';

/** The results of some seeds together. */
export interface Report {
  seeds: number;
  steps: number;
  /** Time that processors have worked on it, in milliseconds. */
  cpuMs: number;
  /** What was met, and how often. */
  readonly met: Record<string, number>;
  readonly violations: { readonly seed: number; readonly what: string }[];
}

/** Nothing yet. */
export function emptyReport(): Report {
  return { seeds: 0, steps: 0, cpuMs: 0, met: {}, violations: [] };
}

/** Adds one seed to a report. */
export function addSeed(report: Report, { seed, steps, met, violation }: SeedResult): void {
  report.seeds += 1;
  report.steps += steps;
  for (const [what, count] of met) report.met[what] = (report.met[what] ?? 0) + count;
  if (violation !== undefined) report.violations.push({ seed, what: violation });
}

/** Adds one report to another. */
export function addReport(report: Report, other: Report): void {
  report.seeds += other.seeds;
  report.steps += other.steps;
  report.cpuMs += other.cpuMs;
  for (const [what, count] of Object.entries(other.met)) report.met[what] = (report.met[what] ?? 0) + count;
  report.violations.push(...other.violations);
}

/** The kinds of worlds: one server over a disk, or nodes over a bucket. */
export type WorldKind = 'disk' | 'nodes';

/** How to see one seed again. */
export function replayCommand(seed: number, world: WorldKind = 'disk'): string {
  return `npm run test:simulation --${world === 'nodes' ? ' --world nodes' : ''} --replay ${seed}`;
}

/** A report for people. */
export function formatReport(
  { seeds, steps, cpuMs, met, violations }: Report,
  seconds: number,
  world: WorldKind,
): string {
  const counts = Object.entries(met)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([what, count]) => `  ${String(count).padStart(9)}  ${what}`);
  const found = violations
    .slice(0, MAX_SHOWN)
    .map(({ seed, what }) => `  seed ${seed}: ${what.split('\n')[0]}\n    ${replayCommand(seed, world)}`);
  const each = `${Math.round(steps / seeds)} steps and ${(cpuMs / seeds).toFixed(2)} ms of a processor a seed`;
  const speed = `${Math.round(seeds / seconds)} seeds/s, ${each}`;
  return [
    `${seeds} seeds in ${seconds.toFixed(1)} s (${speed}), ${violations.length} violations`,
    'met:',
    ...counts,
    ...(found.length === 0 ? [] : ['violations:', ...found]),
  ].join('\n');
}

const MAX_SHOWN = 20;
