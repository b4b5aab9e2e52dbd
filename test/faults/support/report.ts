/** What the fault suites found: a line of JSON a case, and a table of them at the end. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** The outcome of one case. */
export interface CaseReport {
  readonly suite: string;
  readonly name: string;
  readonly runs: number;
  /** Faults that were really injected. */
  readonly faults: number;
  /** Bytes that were acknowledged and are gone. */
  readonly bytesLost: number;
  readonly mixtures: number;
  readonly falseSuccesses: number;
  /** Runs in which any promise was broken. */
  readonly violations: number;
  readonly figures: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** Names the file that the cases of one run are written to. */
export const REPORT_VARIABLE = 'CAIRN_FAULT_REPORT';

/** Adds a case to the report, where one is wanted. */
export function reportCase(report: CaseReport): void {
  const file = process.env[REPORT_VARIABLE];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(report)}\n`);
}

/** Reads a report. */
export function readReport(file: string): CaseReport[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as CaseReport);
}

const COLUMNS = [
  'suite',
  'case',
  'runs',
  'faults',
  'bytes lost',
  'mixtures',
  'false success',
  'other',
  'figures',
];

/** The cases as a Markdown table, which also reads well on a terminal, with a line of sums. */
export function tableOf(reports: readonly CaseReport[]): string {
  const sorted = reports.toSorted((a, b) => a.suite.localeCompare(b.suite) || a.name.localeCompare(b.name));
  const rows = [COLUMNS, ...sorted.map(rowOf), totalOf(sorted)];
  const widths = COLUMNS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`,
  );
  lines.splice(1, 0, `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`);
  return lines.join('\n');
}

function rowOf(report: CaseReport): string[] {
  const other = report.violations - report.mixtures - report.falseSuccesses - (report.bytesLost > 0 ? 1 : 0);
  const figures = Object.entries(report.figures).map(([name, value]) => `${name} ${shown(value)}`);
  return [
    report.suite,
    report.name.replaceAll('|', '/'),
    String(report.runs),
    String(report.faults),
    String(report.bytesLost),
    String(report.mixtures),
    String(report.falseSuccesses),
    String(Math.max(0, other)),
    figures.join(', '),
  ];
}

function totalOf(reports: readonly CaseReport[]): string[] {
  const sum = (of: (report: CaseReport) => number): string =>
    String(reports.reduce((total, report) => total + of(report), 0));
  return [
    'all',
    '',
    sum(({ runs }) => runs),
    sum(({ faults }) => faults),
    sum(({ bytesLost }) => bytesLost),
    sum(({ mixtures }) => mixtures),
    sum(({ falseSuccesses }) => falseSuccesses),
    sum((report) => Number(rowOf(report)[7])),
    '',
  ];
}

function shown(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(4);
}
