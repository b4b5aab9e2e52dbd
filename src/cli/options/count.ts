import { usage } from './usage.ts';

/**
 * A whole number within `range`, inclusive.
 *
 * @throws CairnError `usage` naming `option`
 */
export function parseCount(option: string, text: string, range: { min: number; max: number }): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (count >= range.min && count <= range.max) return count;
  throw usage(`${option} takes a number from ${range.min} to ${range.max}, not "${text}"`, `${option} 4`);
}

/**
 * One of `choices`.
 *
 * @throws CairnError `usage` naming `option`
 */
export function parseChoice<Choice extends string>(
  option: string,
  text: string,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw usage(`${option} takes one of ${choices.join(', ')}, not "${text}"`, `${option} ${choices[0] ?? ''}`);
}
