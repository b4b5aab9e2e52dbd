/** The pace that a server's limits ask of bodies. */
import type { Pace } from '../../base/body-reader.ts';
import type { HttpLimits } from './http-limits.ts';

type PaceLimits = Pick<HttpLimits, 'idleBodyMs' | 'minBodyRate' | 'bodyRateOverMs'>;

/** How slow a body may be under these limits. */
export function paceOf({ idleBodyMs, minBodyRate, bodyRateOverMs }: PaceLimits): Pace {
  return { idleMs: idleBodyMs, minRate: minBodyRate, overMs: bodyRateOverMs };
}
