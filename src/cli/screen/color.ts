/** Whether a stream gets colour: NO_COLOR goes first, then FORCE_COLOR, then what the stream is. */

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
