/** Turns the claims of a verified access token into an authorization. */
import { createHash } from 'node:crypto';
import type { JWTPayload } from 'jose';
import { CairnError } from '../../base/errors.ts';
import { checkRelativePath, printable } from '../../base/safe-path.ts';
import type { Scope } from '../../session/scopes.ts';
import type { Authorization } from '../../session/authorization.ts';
import { fillTemplate, type OidcConfig } from './oidc-config.ts';

/** Most characters of a principal's name: OpenID Connect allows 255 for `sub`. */
const MAX_PRINCIPAL = 255;
/** The last moment of a Date, in milliseconds. */
const LAST_MOMENT_MS = 8.64e15;

/**
 * The authorization for the claims of a token. The caller has checked the signature, the issuer, the audience and the
 * times.
 *
 * @throws CairnError `unauthenticated` for a token that lacks a claim, or whose path is not safe; messages have no
 * values
 */
export function authorizationOf(issuer: URL, claims: JWTPayload, config: OidcConfig): Authorization {
  const who = principalClaimOf(claims, config.principalClaim);
  const expiresAtMs = (claims.exp! + config.clockToleranceSeconds) * 1000;
  return {
    id: idOf(issuer, claims),
    // No host and no path of a URL has a "#", so this can be read in only one way.
    principal: `oidc:${issuer.host}${issuer.pathname.replace(/\/$/, '')}#${who}`,
    scopes: scopesOf(claims, config),
    pathPrefix: pathPrefixOf(claims, config),
    expiresAtMs: Math.min(Math.floor(expiresAtMs), LAST_MOMENT_MS),
  };
}

/** A stable name for a token; a hash, so that it reveals nothing. */
function idOf(issuer: URL, { sub, jti, iat, exp }: JWTPayload): string {
  const named = JSON.stringify([issuer.href, sub, jti ?? [iat, exp]]);
  return `jwt:${createHash('sha256').update(named).digest('base64url').slice(0, 22)}`;
}

function principalClaimOf(claims: JWTPayload, name: string): string {
  const value = claimOf(claims, name);
  const isName = typeof value === 'string' && value !== '' && value.length <= MAX_PRINCIPAL;
  if (isName && printable(value) === value) return value;
  throw refused(`its claim "${name}" does not name its owner`);
}

function scopesOf(claims: JWTPayload, { scopeClaim, scopes }: OidcConfig): Scope[] {
  const value = claimOf(claims, scopeClaim);
  if (value === undefined) return [];
  const names: unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  const found = names.flatMap((name) => (typeof name === 'string' ? (scopes.get(name) ?? []) : []));
  return [...new Set(found)];
}

function pathPrefixOf(claims: JWTPayload, { path, pathClaim }: OidcConfig): string {
  if (path !== undefined)
    return checked(
      fillTemplate(path, (name) => componentOf(claims, name)),
      path,
    );
  if (pathClaim === undefined) return '';
  const value = claimOf(claims, pathClaim);
  // Without it a token would reach everything.
  if (typeof value !== 'string' || value === '') throw refused(`its claim "${pathClaim}" holds no path`);
  return checked(value.replace(/^\//, '').replace(/\/$/, ''), pathClaim);
}

/** A claim that becomes a component of a path, or a part of one. */
function componentOf(claims: JWTPayload, name: string): string {
  const value = claimOf(claims, name);
  const text = Number.isSafeInteger(value) ? String(value) : value;
  const isSafe = typeof text === 'string' && !/^\.{0,2}$/.test(text) && !text.includes('/');
  if (isSafe && printable(text) === text) return text;
  throw refused(`its claim "${name}" cannot be a part of a path`);
}

function checked(path: string, from: string): string {
  try {
    return checkRelativePath(path);
  } catch {
    // The reason would reveal the value, which concerns only the issuer.
    throw refused(`its path (from "${from}") is not safe`);
  }
}

/** A claim by its name, or by the names that lead to it: `realm_access.roles`. */
function claimOf(claims: object, name: string): unknown {
  if (Object.hasOwn(claims, name)) return (claims as Record<string, unknown>)[name];
  let value: unknown = claims;
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function refused(why: string): CairnError {
  return new CairnError('unauthenticated', `the access token is refused: ${printable(why)}`);
}
