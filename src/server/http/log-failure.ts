/** Logs requests that were refused, failed or lost their connection. */
import type { CairnError } from '../../base/errors.ts';
import { masked } from '../../base/masked.ts';
import { printable } from '../../base/safe-path.ts';
import { PROTOCOL_SEGMENT } from '../../wire/routes.ts';
import type { LimitedLog } from './log-limiter.ts';
import { limitIn, type Refusals } from './refusals.ts';
import type { Exchange } from './exchange.ts';

/** Where refusals are noted. */
export interface RefusalLog {
  /** For refusals by limits. */
  readonly refusals: Refusals;
  /** For all other lines that strangers can cause. */
  readonly limitedLog: LimitedLog;
}

const MAX_LOGGED_CHARACTERS = 300;

/**
 * Logs why a request failed: at most one line in ten seconds for each reason and address, without headers and query,
 * and with path and reason masked where they look like a secret. For a failure of the server itself it logs `thrown`,
 * too, whose stack shows the origin. True where the request only looked for the protocol, which is no failure.
 */
export function logFailure(
  { refusals, limitedLog }: RefusalLog,
  exchange: Exchange,
  { told, thrown }: { readonly told: CairnError; readonly thrown: unknown },
): boolean {
  const { method, path, address } = exchange;
  const { code } = told;
  // A target in absolute form may begin with a password; the server refuses each of them.
  const shownPath = path.startsWith('/') ? shown(path) : 'no path';
  const fields = { method, path: shownPath, address, code, reason: shown(told.message) };
  const limit = limitIn(told);
  if (limit !== undefined) {
    refusals.note(limit, fields);
    return false;
  }
  const { httpStatus } = told.traits;
  const isDiscovery = looksForProtocol(exchange) && httpStatus < 500;
  const note = (level: 'debug' | 'info' | 'warn' | 'error', more: object, message: string): void =>
    limitedLog.note({ level, kind: code, address }, { ...fields, ...more }, message);
  if (isDiscovery) note('debug', {}, 'a client asked for the root of the protocol');
  else if (code === 'network') note('info', {}, 'connection lost');
  else if (httpStatus >= 500 && code !== 'server-busy') note('error', { err: thrown }, 'request failed');
  else note('warn', {}, 'request refused');
  return isDiscovery;
}

/** A client asks so before it shows its token; its target need not exist yet. */
function looksForProtocol({ method, path, request }: Exchange): boolean {
  return (
    method === 'HEAD' &&
    !path.startsWith(`/${PROTOCOL_SEGMENT}/`) &&
    request.headers.authorization === undefined
  );
}

/** Masked before it is cut: half of a token could still be useful. */
function shown(text: string): string {
  return printable(masked(text).slice(0, MAX_LOGGED_CHARACTERS));
}
