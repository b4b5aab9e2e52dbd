/** What a request is allowed, independent of its kind of proof. */
import { CairnError } from '../base/errors.ts';
import { printable } from '../base/safe-path.ts';
import type { RecordedAuthorization } from './record.ts';
import { existingOf, mayCompare, type Scope } from './scopes.ts';

/**
 * What a request is allowed. `id` names the authorization for life, `token:…`, `jwt:…`, `grant:…` or `certificate:…`,
 * and is no secret. Sessions belong to the `principal`: a new token of the same one goes on with them. `pathPrefix` is
 * a safe relative path that confines the authorization to itself and everything below; empty for everything.
 * `quota.bytes` limits the bytes of its pushes, published and unfinished; `quota.sessions` limits its unfinished ones.
 */
export type Authorization = RecordedAuthorization;

/**
 * Refuses a request that an authorization does not allow, before an answer can tell which paths exist.
 *
 * @param path safe relative path of the request; undefined where it has none
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
  throw new CairnError('forbidden', `the access token is only for "/${where}" and everything below`);
}

/**
 * Whether a push may delete existing entries: it may replace them, and knows which there are. A transfer grant never
 * may: its holder is somebody without an account.
 */
export function mayDelete({ scopes, issuer }: Pick<Authorization, 'scopes' | 'issuer'>): boolean {
  return issuer === undefined && existingOf(scopes) === 'replaced' && mayCompare(scopes);
}

/** Whether a safe relative path is another one or lies below it. */
export function isWithin(path: string, prefix: string): boolean {
  return prefix === '' || path === prefix || path.startsWith(`${prefix}/`);
}
