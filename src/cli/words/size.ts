/** Sizes in bytes as people write them: `65536`, `64K`, `8M`, `8MiB`. The units are powers of 1024. */
import { usage } from './usage.ts';

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  'K': 1024,
  'M': 1024 ** 2,
  'G': 1024 ** 3,
  'T': 1024 ** 4,
};
const SIZE = /^(\d{1,15})(?:([KMGT])(?:iB)?)?$/i;

/**
 * Bytes of a size.
 *
 * @throws CairnError `usage` naming `option`, also where the value is outside of `range` (bytes, inclusive)
 */
export function parseSize(option: string, text: string, range: { min: number; max: number }): number {
  const [, digits, unit = ''] = SIZE.exec(text) ?? [];
  if (digits === undefined)
    throw usage(`${option} takes a size, not "${text}"`, `${option} 8M (or 64K, 8MiB)`);
  const bytes = Number(digits) * (UNIT_BYTES[unit.toUpperCase()] ?? 1);
  if (bytes < range.min || bytes > range.max) {
    throw usage(`${option} takes ${range.min} to ${range.max} bytes, not "${text}"`, `${option} 8M`);
  }
  return bytes;
}
