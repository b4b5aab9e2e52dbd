/**
 * The keys of an issuer, kept in memory. Fetched when they are first needed, again every ten minutes (so that a key
 * that was withdrawn ends), and when a token names one that is not there, which is how new keys are found.
 *
 * jose has a remote key set of its own. It forgets what it has when the issuer is away at the wrong moment, and asks an
 * issuer that is away once for every token: neither is good for a server whose transfers outlive both.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { fetchFromIssuer, unavailable, type IssuerFetch } from '../../base/issuer-fetch.ts';
import { printable } from '../../base/safe-path.ts';
import type { Logger } from '../../base/logger.ts';

/** The keys of one issuer. */
export interface IssuerKeys {
  /** The key that a token names. @throws CairnError `issuer-unavailable` when it cannot be known; jose's errors */
  readonly find: JWTVerifyGetKey;
  /** Fetches them now; a failure is in the log. */
  load(): Promise<void>;
}

/** Where the keys come from, and the clock, in milliseconds; {@link COOLDOWN_MS} lies between two fetches. */
export interface IssuerKeysOptions {
  readonly issuer: URL;
  /** The issuer as tokens name it, character by character. */
  readonly name: string;
  readonly log: Logger;
  /** How the issuer is asked; straight, where undefined. */
  readonly fetch?: IssuerFetch | undefined;
  readonly now?: () => number;
}

const MAX_AGE_MS = 10 * 60_000;
/** However many tokens name keys that nobody has, and however often the issuer is away. */
export const COOLDOWN_MS = 10_000;
const TIMEOUT_MS = 5000;

const Metadata = v.object({ issuer: v.string(), jwks_uri: v.pipe(v.string(), v.url()) });
const KeySet = v.object({ keys: v.pipe(v.array(v.looseObject({ kty: v.string() })), v.maxLength(100)) });

/** Makes the keys of an issuer; nothing is fetched yet. */
export function createIssuerKeys(options: IssuerKeysOptions): IssuerKeys {
  const { issuer, log, now = () => performance.now() } = options;
  let keys: JWTVerifyGetKey | undefined;
  let loadedAtMs = -Infinity;
  let triedAtMs = -Infinity;
  let failure: CairnError | undefined;
  let loading: Promise<void> | undefined;

  const fetchOnce = async (): Promise<void> => {
    triedAtMs = now();
    try {
      keys = createLocalJWKSet(await fetchKeys(options));
      loadedAtMs = now();
      failure = undefined;
    } catch (error) {
      failure = error instanceof CairnError ? error : unavailable(issuer, 'its keys are of no use', error);
      log.warn({ issuer: issuer.href, reason: failure.message }, 'the keys of the issuer were not fetched');
    }
  };
  const load = (): Promise<void> => (loading ??= fetchOnce().finally(() => (loading = undefined)));
  const mayTry = (): boolean => loading !== undefined || now() - triedAtMs >= COOLDOWN_MS;

  return {
    load,
    find: async (header, token) => {
      // Those that are there stay good while the issuer is away.
      if (now() - loadedAtMs >= MAX_AGE_MS && mayTry()) await load();
      if (keys === undefined) throw failure ?? unavailable(issuer, 'its keys are not there yet');
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        if (mayTry()) await load();
        // Whether it has that key now is for the issuer to say.
        if (failure !== undefined) throw failure;
        return keys(header, token);
      }
    },
  };
}

async function fetchKeys(options: IssuerKeysOptions): Promise<JSONWebKeySet> {
  const { issuer, name } = options;
  const metadata = v.safeParse(Metadata, await fetchMetadata(options));
  if (!metadata.success) throw unavailable(issuer, 'its metadata cannot be understood');
  const { issuer: says, jwks_uri } = metadata.output;
  if (says !== name) {
    const shown = printable(says.slice(0, 300));
    throw unavailable(issuer, `it calls itself "${shown}": give --oidc-issuer exactly that name`);
  }
  const keys = v.safeParse(KeySet, await fetchJson(options, new URL(jwks_uri)));
  if (!keys.success) throw unavailable(issuer, 'its keys cannot be understood');
  return keys.output;
}

/** What an issuer says of itself: OpenID Connect Discovery, else RFC 8414. */
async function fetchMetadata(options: IssuerKeysOptions): Promise<unknown> {
  const { issuer } = options;
  const path = issuer.pathname.replace(/\/$/, '');
  const known = new URL(`${path}/.well-known/openid-configuration`, issuer);
  const other = new URL(`/.well-known/oauth-authorization-server${path}`, issuer);
  return (await fetchJson(options, known, true)) ?? fetchJson(options, other);
}

/** Undefined where there is nothing, if that `mayBeMissing`. */
async function fetchJson(
  { issuer, fetch }: IssuerKeysOptions,
  url: URL,
  mayBeMissing = false,
): Promise<unknown> {
  const headers = { accept: 'application/json, application/jwk-set+json' };
  const response = await fetchFromIssuer(issuer, url, { headers, fetch, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      // Whoever shows a token cannot help it.
      if (error instanceof CairnError && error.code !== 'issuer-unavailable')
        throw unavailable(issuer, error.message);
      throw error;
    },
  );
  if (response.status === 404 && mayBeMissing) return undefined;
  if (response.status !== 200)
    throw unavailable(issuer, `HTTP status ${response.status} for ${url.pathname}`);
  try {
    return await response.json();
  } catch (error) {
    throw unavailable(issuer, `what it has at ${url.pathname} is no JSON`, error);
  }
}
