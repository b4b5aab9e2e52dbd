/** How slow the other side of a body may be. */
import type { ReaderPace } from '../../base/unsent.ts';
import type { ServerLimits } from '../limits.ts';

/** The pace of bodies: `idleMs` without a byte, or an average rate below the least one, ends them. */
export interface Pace extends ReaderPace {
  readonly idleMs: number;
}

/** The pace that a server asks for. */
export function paceOf({ idleBodyMs, minBodyRate, bodyRateOverMs }: ServerLimits): Pace {
  return { idleMs: idleBodyMs, minRate: minBodyRate, overMs: bodyRateOverMs };
}

/** The least that must move while the other side lets this one wait for `overMs`. */
export function leastBytes({ minRate, overMs }: Pace): number {
  return (minRate * overMs) / 1000;
}
