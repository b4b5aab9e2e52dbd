/** Tables whose columns are aligned: as wide as the terminal, and whole where there is none. */
import { cutMiddle, displayWidth, padTo } from './width.ts';

/** How a table is laid out. */
export interface TableForm {
  /** Headings of columns whose cells may be cut in their middle; ids and states never are. */
  readonly flexible?: readonly string[];
  /** Columns that there are; undefined: as many as it takes. */
  readonly width?: number | undefined;
}

const GAP = '  ';
/** Fewer columns of a name tell nothing. */
const LEAST_COLUMNS = 12;

const SHORT = 8;

/** The width of the terminal that standard output is; undefined where it is none. */
function tableWidth(stream: NodeJS.WriteStream = process.stdout): number | undefined {
  return stream.isTTY && stream.columns > 0 ? stream.columns : undefined;
}

/** Lines of rows. The first row holds the headings, and each other row as many cells. */
export function alignColumns(rows: readonly (readonly string[])[], form: TableForm = {}): string[] {
  const { flexible = [], width = tableWidth() } = form;
  const headings = rows[0] ?? [];
  const widths = headings.map((_cell, column) =>
    // Not by a spread: ten thousand arguments are many for one call.
    rows.reduce((most, row) => Math.max(most, displayWidth(row[column] ?? '')), 0),
  );
  const columns = headings.flatMap((heading, column) => (flexible.includes(heading) ? [column] : []));
  if (width !== undefined) narrow(widths, columns, width);
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const most = widths[column] ?? 0;
      return padTo(displayWidth(cell) > most ? cutMiddle(cell, most) : cell, most);
    });
    return `${cells.join(GAP).trimEnd()}\n`;
  });
}

/** Takes from the widest of these columns until the table fits, or nothing more can be taken. */
function narrow(widths: number[], columns: readonly number[], width: number): void {
  let excess = widths.reduce((sum, each) => sum + each, (widths.length - 1) * GAP.length) - width;
  while (excess > 0) {
    const [widest] = columns.toSorted((a, b) => widths[b]! - widths[a]!);
    if (widest === undefined || widths[widest]! <= LEAST_COLUMNS) return;
    widths[widest]! -= 1;
    excess -= 1;
  }
}

/** The ids as they are shown: eight characters, or as many as it takes for each of them to be the only one. */
export function shortIds(ids: readonly string[]): string[] {
  const unique = new Set(ids).size;
  const longest = ids.reduce((most, id) => Math.max(most, id.length), 0);
  let length = SHORT;
  while (length < longest && new Set(ids.map((id) => id.slice(0, length))).size < unique) length += 1;
  return ids.map((id) => id.slice(0, length));
}
