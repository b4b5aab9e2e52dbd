import { fitToWidth } from './screen/wording.ts';

/** Lines of rows whose columns are aligned; each row has as many cells as the first one. */
export function alignColumns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_cell, column) =>
    Math.max(...rows.map((row) => Array.from(row[column] ?? '').length)),
  );
  return rows.map((row) => {
    const cells = row.map((cell, column) => fitToWidth(cell, widths[column] ?? 0));
    return `${cells.join('  ').trimEnd()}\n`;
  });
}
