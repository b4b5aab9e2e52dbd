/** The report for readers. */
import { isMet, type ScenarioResult } from '../result.ts';
import { verdictWords } from './numbers.ts';
import type { Report } from './report.ts';
import { cellsOf, COLUMNS } from './table.ts';

/** A chart by its file and by what it shows. */
export interface Chart {
  readonly file: string;
  readonly title: string;
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;

function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = heads.map((_, at) => (at === 0 ? '---' : '---:'));
  return [row(heads), row(rule), ...rows.map(row)].join('\n');
}

function targetsOf(scenarios: readonly ScenarioResult[]): string {
  const rows = scenarios.flatMap(({ name, verdicts }) =>
    verdicts.map(
      (verdict) => `| ${name} | ${verdict.target} | ${isMet(verdict) ? '✓' : '✗'} ${verdictWords(verdict)} |`,
    ),
  );
  return ['| scenario | target | measured |', '| --- | --- | --- |', ...rows].join('\n');
}

function sectionOf(result: ScenarioResult, charts: readonly Chart[]): string {
  const notes = result.notes.map((note) => `- ${note}`).join('\n');
  const pictures = charts
    .filter(({ title }) => result.growths?.some((growth) => growth.title === title))
    .map(({ title, file }) => `![${title}](${file})`);
  const parts = [`## ${result.name}`, result.title, tableOf(COLUMNS, cellsOf(result)), ...pictures, notes];
  return parts.filter((part) => part !== '').join('\n\n');
}

/** The whole report. */
export function markdownOf(report: Report, ratios: Chart | undefined, growths: readonly Chart[]): string {
  const { scenarios, machine, load, runs, isQuick, versions, missing } = report;
  const all = scenarios.flatMap(({ verdicts }) => verdicts);
  const met = all.filter(isMet).length;
  const when = new Date(report.startedAtMs).toISOString().slice(0, 10);
  const intro = [
    `${when}, ${machine}; load of the machine when it began: ${load.toFixed(1)}. ${isQuick ? 'Quick: less data. ' : ''}Up to ${runs} runs of each contestant, in turn, in an order that changes each round; medians.`,
    'Client and server run on the same machine. CPU seconds are user and system time of all processes of a side; peak memory is the sum of what they had resident at most. Destinations are empty before each run (but for the second run), the page cache is warm, and the SHA-256 of everything that arrived is compared with the source, outside of the measured time.',
    `**${met} of ${all.length} targets are met.**`,
  ];
  const contestants = [
    '## Contestants',
    versions.map((version) => `- ${version}`).join('\n'),
    missing.length === 0
      ? 'Nobody is missing.'
      : `Missing:\n\n${missing.map((peer) => `- ${peer}`).join('\n')}`,
  ];
  const picture = ratios === undefined ? [] : [`![${ratios.title}](${ratios.file})`];
  const sections = scenarios.map((result) => sectionOf(result, growths));
  return `${['# cairn and its peers', ...intro, '## Targets', targetsOf(scenarios), ...picture, ...contestants, ...sections].join('\n\n')}\n`;
}
