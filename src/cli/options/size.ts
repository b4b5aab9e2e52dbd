/**
 * Sizes in bytes as people write them: `65536`, `64K`, `1.5G`, `8MiB` in powers of 1024, and `10MB` in powers of 1000, as
 * coreutils read them.
 */
import { usage } from './usage.ts';

const SIZE = /^(\d{1,15}(?:\.\d{1,6})?)(?:([KMGT])(iB|B)?|B)?$/i;
const UNITS = 'KMGT';

/**
 * Bytes of a size; part of a byte is dropped.
 *
 * @throws CairnError `usage` naming `option`, also where the value is outside of `range` (bytes, inclusive)
 */
export function parseSize(option: string, text: string, range: { min: number; max: number }): number {
  const [, digits, unit, suffix] = SIZE.exec(text) ?? [];
  if (digits === undefined || (unit === undefined && digits.includes('.')))
    throw usage(`${option} takes a size, not "${text}"`, `${option} 8M (or 64K, 1.5GiB, 10MB)`);
  const base = suffix?.toUpperCase() === 'B' ? 1000 : 1024;
  const power = unit === undefined ? 0 : UNITS.indexOf(unit.toUpperCase()) + 1;
  const bytes = Math.floor(Number(digits) * base ** power);
  if (bytes < range.min || bytes > range.max)
    throw usage(`${option} takes ${rangeText(range)}, not "${text}"`, `${option} 8M`);
  return bytes;
}

function rangeText({ min, max }: { min: number; max: number }): string {
  return max === Number.MAX_SAFE_INTEGER
    ? `at least ${sizeText(min)}`
    : `${sizeText(min)} to ${sizeText(max)}`;
}

/** A size as it may be written: `64K`, `8M`, or its bytes where they are no power of 1024. */
export function sizeText(bytes: number): string {
  let [value, power] = [bytes, 0];
  while (value > 0 && value % 1024 === 0 && power < UNITS.length) [value, power] = [value / 1024, power + 1];
  return `${value}${UNITS.charAt(power - 1)}`;
}
