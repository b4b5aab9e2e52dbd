/** How wide a stream is drawn. */

const DEFAULT_COLUMNS = 80;
const COLUMNS = /^[1-9]\d{0,4}$/;

/** Columns of a terminal, which may say 0 (containers do); else those of COLUMNS, else 80. */
export function columnsOf(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): number {
  const columns = stream.isTTY === true ? stream.columns : undefined;
  if (columns !== undefined && columns > 0) return columns;
  return COLUMNS.test(env['COLUMNS'] ?? '') ? Number(env['COLUMNS']) : DEFAULT_COLUMNS;
}
