/** The one source of chance of a simulated world. */
import { createRandom } from '../support/random.ts';

/** Repeatable chance; every draw changes what comes next. */
export interface Chance {
  /** In [0, 1). */
  next(): number;
  /** A whole number in [from, to). */
  int(from: number, to: number): number;
  /** True with this probability. */
  is(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  shuffle<T>(items: readonly T[]): T[];
  /** Pseudo-random bytes: what a simulated process takes for the secrets of its machine. */
  bytes(count: number): Buffer;
}

/** Makes the chance of a seed. */
export function createChance(seed: number): Chance {
  const next = createRandom(Math.imul(seed + 1, 0x9e37_79b1));
  const int = (from: number, to: number): number => from + Math.floor(next() * (to - from));
  return {
    next,
    int,
    is: (probability) => probability > 0 && next() < probability,
    pick: (items) => items[int(0, items.length)]!,
    shuffle: (items) => {
      const result = [...items];
      for (let index = result.length - 1; index > 0; index -= 1) {
        const other = int(0, index + 1);
        [result[index], result[other]] = [result[other]!, result[index]!];
      }
      return result;
    },
    bytes: (count) => {
      const bytes = Buffer.allocUnsafe(count);
      for (let at = 0; at < count; at += 1) bytes[at] = int(0, 256);
      return bytes;
    },
  };
}
