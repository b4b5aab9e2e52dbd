/**
 * The keys of an issuer, in memory. Fetched at the first use, again every ten minutes (so that a withdrawn key ends),
 * and when a token names an unknown key, since it may be new.
 *
 * The remote key set of jose forgets its keys when the issuer is away at the wrong moment, and asks an absent issuer
 * again for every token. Transfers outlive both here.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import * as v from 'valibot';
import { CairnError } from '../../base/errors.ts';
import { fetchFromIssuer, unavailable, type IssuerFetch } from '../../base/issuer-fetch.ts';
import { printable } from '../../base/safe-path.ts';
import type { Logger } from '../../base/logger.ts';

/** The keys of one issuer. */
export interface IssuerKeys {
  /**
   * The key that a token names. @throws CairnError `issuer-unavailable` when the issuer cannot be asked; jose's errors
   */
  readonly find: JWTVerifyGetKey;
  /** Fetches them now, and logs a failure. */
  load(): Promise<void>;
}

/** The source of the keys, and the clock in milliseconds; {@link COOLDOWN_MS} lies between two fetches. */
export interface IssuerKeysOptions {
  readonly issuer: URL;
  /** The issuer's name in tokens, character by character. */
  readonly name: string;
  readonly log: Logger;
  /** The function that asks the issuer; without, a plain request. */
  readonly fetch?: IssuerFetch | undefined;
  readonly now?: () => number;
}

const MAX_AGE_MS = 10 * 60_000;
/** The shortest time between two fetches, however many tokens name unknown keys. */
export const COOLDOWN_MS = 10_000;
const TIMEOUT_MS = 5000;

const Metadata = v.object({ issuer: v.string(), jwks_uri: v.pipe(v.string(), v.url()) });
const KeySet = v.object({ keys: v.pipe(v.array(v.looseObject({ kty: v.string() })), v.maxLength(100)) });

/** Makes the keys of an issuer; fetches nothing yet. */
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
      failure = error instanceof CairnError ? error : unavailable(issuer, 'its keys cannot be used', error);
      log.warn(
        { issuer: issuer.href, reason: failure.message },
        'the keys of the issuer could not be fetched; the server tries again',
      );
    }
  };
  const load = (): Promise<void> => (loading ??= fetchOnce().finally(() => (loading = undefined)));
  const mayTry = (): boolean => loading !== undefined || now() - triedAtMs >= COOLDOWN_MS;

  return {
    load,
    find: async (header, token) => {
      // Old keys stay good while the issuer is away.
      if (now() - loadedAtMs >= MAX_AGE_MS && mayTry()) await load();
      if (keys === undefined) throw failure ?? unavailable(issuer, 'its keys have not been fetched yet');
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        if (mayTry()) await load();
        // Only the issuer knows whether it has that key now.
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

/** The metadata of an issuer: OpenID Connect Discovery, else RFC 8414. */
async function fetchMetadata(options: IssuerKeysOptions): Promise<unknown> {
  const { issuer } = options;
  const path = issuer.pathname.replace(/\/$/, '');
  const known = new URL(`${path}/.well-known/openid-configuration`, issuer);
  const other = new URL(`/.well-known/oauth-authorization-server${path}`, issuer);
  return (await fetchJson(options, known, true)) ?? fetchJson(options, other);
}

/** The JSON at a URL; undefined for a missing one that `mayBeMissing`. */
async function fetchJson(
  { issuer, fetch }: IssuerKeysOptions,
  url: URL,
  mayBeMissing = false,
): Promise<unknown> {
  const headers = { accept: 'application/json, application/jwk-set+json' };
  const response = await fetchFromIssuer(issuer, url, { headers, fetch, timeoutMs: TIMEOUT_MS }).catch(
    (error: unknown) => {
      // The client that shows a token cannot help it.
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
    throw unavailable(issuer, `its answer for ${url.pathname} is not JSON`, error);
  }
}
