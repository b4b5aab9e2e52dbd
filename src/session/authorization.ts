/** Who asks and what they may do, whatever they proved it with. */
import { CairnError } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import type { RecordedAuthorization } from './record.ts';
import type { Scope } from './scopes.ts';

/**
 * What a request was allowed by. `id` names it for as long as it exists, `token:…`, `jwt:…`, `grant:…` or
 * `certificate:…`, and is no secret. Sessions belong to the `principal`: a new token of the same one goes on with them.
 * `pathPrefix` is a safe relative path that it is confined to, with everything below, and empty for everything.
 * `quota.bytes` is what its pushes may bring, published and unfinished; `quota.sessions` how many may be unfinished.
 */
export type Authorization = RecordedAuthorization;

/**
 * Refuses what an authorization does not allow, before anything tells what is there.
 *
 * @param path safe relative path that it is about; undefined where it is about none
 * @throws CairnError `forbidden`
 */
export function checkAllows(
  { scopes, pathPrefix }: Authorization,
  scope: Scope,
  path: string | undefined,
): void {
  if (!scopes.includes(scope)) {
    const has = scopes.length === 0 ? 'none' : scopes.join(', ');
    throw new CairnError('forbidden', `this needs the scope "${scope}"; the access token has: ${has}`);
  }
  if (path === undefined || isWithin(path, pathPrefix)) return;
  const where = printable(pathPrefix);
  throw new CairnError('forbidden', `the access token is only for "/${where}" and what is below`);
}

/** Whether a safe relative path is another one or lies below it. */
export function isWithin(path: string, prefix: string): boolean {
  return prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
}
