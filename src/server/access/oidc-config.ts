/** The configuration file of OpenID Connect: which claim of an access token holds which right. */
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { checkRelativePath, printable } from '../../base/safe-path.ts';
import { SCOPES, type Scope } from '../../session/scopes.ts';

/**
 * Signatures with the keys that the issuer publishes. None that a reader of these keys could make: no `none`, no HS256.
 */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

/** Scopes that `write` includes. */
const WEAKER: ReadonlySet<Scope> = new Set(['append', 'drop']);
/** A claim in braces, in a template of a path. */
const PLACEHOLDER = /\{([^{}]*)\}/g;

const claimName = v.pipe(v.string(), v.minLength(1), v.maxLength(256));
const scope = v.picklist(SCOPES);
const scopeName = v.pipe(
  v.string(),
  v.regex(/^[!#-[\]-~]+$/, 'is not the name of a scope'),
  v.maxLength(256),
);

/** A name of the issuer → the scopes here. */
const ScopeMap = v.pipe(
  v.record(scopeName, v.union([scope, v.array(scope)])),
  v.transform((map) => new Map(Object.entries(map).map(([name, to]) => [name, [to].flat()]))),
);

const pathTemplate = v.pipe(
  v.string(),
  v.startsWith('/', 'has to begin with "/"'),
  v.maxLength(4096),
  v.check(isTemplate, 'is not a path with claims in braces, such as "/home/{sub}"'),
);

const ConfigFile = v.strictObject({
  scopeClaim: v.optional(claimName, 'scope'),
  scopes: v.optional(ScopeMap, Object.fromEntries(SCOPES.map((name) => [`cairn:${name}`, name]))),
  pathClaim: v.optional(claimName),
  path: v.optional(pathTemplate),
  principalClaim: v.optional(claimName, 'sub'),
  clockToleranceSeconds: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(600)), 30),
  algorithms: v.optional(v.pipe(v.array(v.picklist(ALGORITHMS)), v.minLength(1)), [
    'RS256',
    'PS256',
    'ES256',
    'EdDSA',
  ]),
  anyType: v.optional(v.boolean(), false),
  loginScopes: v.optional(v.pipe(v.array(scopeName), v.maxLength(64))),
});

/**
 * Where an access token holds each right. `scopes` maps names in `scopeClaim` to scopes here; `path` is a template of
 * the token's path, `pathClaim` the claim that holds it; `anyType` accepts tokens that do not say that they are access
 * tokens (RFC 9068); `cairn login` asks for `loginScopes`.
 */
export type OidcConfig = v.InferOutput<typeof ConfigFile>;

/** The configuration without a file. */
export const DEFAULT_OIDC_CONFIG: OidcConfig = v.parse(ConfigFile, {});

/**
 * Parses a configuration file.
 *
 * @param name of the file, for messages
 * @throws CairnError `config-invalid` that names the first wrong member
 */
export function parseOidcConfig(text: string, name: string): OidcConfig {
  const refused = (why: string, cause?: unknown): CairnError =>
    new CairnError('config-invalid', `the OIDC configuration "${printable(name)}" ${why}`, { cause });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refused('is not JSON', error);
  }
  if (Array.isArray(value)) throw refused('is not valid: it is a list, not an object');
  const result = v.safeParse(ConfigFile, value, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const at = v.getDotPath(issue);
    const why = issue.expected === 'never' ? 'there is no such member' : issue.message;
    throw refused(`is not valid${at === null ? '' : ` at ${printable(at)}`}: ${printable(why)}`);
  }
  if (result.output.path !== undefined && result.output.pathClaim !== undefined) {
    throw refused('has both "path" and "pathClaim"; a token is confined to one path: choose one of them');
  }
  return result.output;
}

/**
 * The scopes that `cairn login` asks for: the mapped names that are scopes, without the weaker ones, and the one to
 * stay logged in.
 */
export function loginScopesOf({ loginScopes, scopeClaim, scopes }: OidcConfig): string[] {
  if (loginScopes !== undefined) return loginScopes;
  const isScopes = scopeClaim === 'scope' || scopeClaim === 'scp';
  // An issuer refuses scopes that it does not know, and `write` needs no weaker scope.
  const asked = [...scopes].filter(([, allowed]) => !allowed.every((name) => WEAKER.has(name)));
  return ['openid', 'offline_access', ...(isScopes ? asked.map(([name]) => name) : [])];
}

/** A template whose every `{claim}` is replaced by the answer of `valueOf`, without its leading slash. */
export function fillTemplate(template: string, valueOf: (claim: string) => string): string {
  return template.slice(1).replaceAll(PLACEHOLDER, (_, claim: string) => valueOf(claim));
}

function isTemplate(template: string): boolean {
  if (/[{}]/.test(template.replaceAll(PLACEHOLDER, '')) || template.includes('{}')) return false;
  try {
    checkRelativePath(fillTemplate(template, () => 'x'));
    return true;
  } catch {
    return false; // the message of the schema names the rule
  }
}
