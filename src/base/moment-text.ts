/** Moments as lists and sentences show them. */

const MAX_DATE_MS = 8.64e15;

/** `2025-11-23 05:27:11` in the local time zone; `?` for a number that no date has. `ms` counts from 1970. */
export function momentText(ms: number): string {
  if (!(Math.abs(ms) <= MAX_DATE_MS)) return '?'.padEnd(19);
  const date = new Date(ms);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}
