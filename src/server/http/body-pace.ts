/** How slow the other side of a body may be. */
import type { Pace } from '../../base/body-reader.ts';
import type { HttpLimits } from './http-limits.ts';

type PaceLimits = Pick<HttpLimits, 'idleBodyMs' | 'minBodyRate' | 'bodyRateOverMs'>;

/** The pace that a server asks for. */
export function paceOf({ idleBodyMs, minBodyRate, bodyRateOverMs }: PaceLimits): Pace {
  return { idleMs: idleBodyMs, minRate: minBodyRate, overMs: bodyRateOverMs };
}
