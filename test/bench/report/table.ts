/** The results as text: one table a scenario. */
import { isMet, medianRun, type Row, type ScenarioResult } from '../result.ts';
import { megabytes, rate, ratio, seconds, verdictWords } from './numbers.ts';

/** The columns of every table. */
export const COLUMNS = [
  'contestant',
  'runs',
  'median s',
  'MiB/s',
  'cairn / it',
  'client CPU s',
  'client MB',
  'server CPU s',
  'server MB',
] as const;

/** The cells of a scenario's rows, under {@link COLUMNS}. */
export function cellsOf({ rows, bytes }: Pick<ScenarioResult, 'rows' | 'bytes'>): string[][] {
  const perByte = (row: Row): number => medianRun(row.runs).wallS / (row.bytes ?? bytes ?? 1);
  const ours = rows.find(({ contestant }) => contestant === 'cairn');
  return rows.map((row) => {
    const { wallS, client, server } = medianRun(row.runs);
    return [
      row.contestant,
      String(row.runs.length),
      seconds(wallS),
      rate(row.bytes ?? bytes, wallS),
      ours === undefined || row === ours ? '–' : ratio(perByte(ours) / perByte(row)),
      seconds(client.cpuS),
      megabytes(client.peakBytes),
      seconds(server.cpuS),
      megabytes(server.peakBytes),
    ];
  });
}

/** A scenario for a terminal. */
export function tableOf(result: ScenarioResult): string {
  const cells = [[...COLUMNS], ...cellsOf(result)];
  const widths = COLUMNS.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
  );
  const verdicts = result.verdicts.map(
    (verdict) => `  ${isMet(verdict) ? '✓' : '✗'} ${verdict.target}: ${verdictWords(verdict)}`,
  );
  const notes = result.notes.map((note) => `  ${note}`);
  return [`${result.name}: ${result.title}`, ...lines.map((line) => `  ${line}`), ...verdicts, ...notes].join(
    '\n',
  );
}
