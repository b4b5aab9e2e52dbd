/** Colours and width of a stream that may be a terminal. */

/** Tells it for standard output or standard error; `TERM=dumb` shows none. */
export function hasColors(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const forced = env['FORCE_COLOR'];
  if ((env['NO_COLOR'] ?? '') !== '' || forced === '0' || forced === 'false') return false;
  if (forced !== undefined && forced !== '') return true;
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

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
