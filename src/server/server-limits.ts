/** The limits of one server, and their defaults. */
import { DEFAULT_ACCESS_LIMITS, type AccessLimits } from './access/access-limits.ts';
import { DEFAULT_CORE_LIMITS, type CoreLimits } from './core/core-limits.ts';
import { DEFAULT_HTTP_LIMITS, type HttpLimits } from './http/http-limits.ts';

/** Limits of a server; times are in milliseconds. */
export interface ServerLimits extends CoreLimits, AccessLimits, HttpLimits {}

/** The limits unless options set others. */
export const DEFAULT_LIMITS: ServerLimits = {
  ...DEFAULT_CORE_LIMITS,
  ...DEFAULT_ACCESS_LIMITS,
  ...DEFAULT_HTTP_LIMITS,
};
