/**
 * Transfer grants: a person without an account may push or pull one thing, for a while. Their signature is checked; the
 * server keeps a list of them with their issuers, to show and to revoke them.
 */
import { formatBytes } from '../../base/byte-text.ts';
import { CairnError } from '../../base/errors.ts';
import { createSessionId, sessionIdOf } from '../../session/credential.ts';
import { PUSH_SCOPES, type PushScope, type Scope } from '../../session/scopes.ts';
import { checkAllows, isWithin, type Authorization } from '../../session/authorization.ts';
import type { StateStore } from '../../storage/state/state-store.ts';
import type { Following } from '../../storage/state/typed-document.ts';
import type { Authenticator } from './authenticator.ts';
import { openGrantKey, type KeptKey } from './kept-key.ts';
import { openGrantList, type GrantList, type IssuedGrant } from './grant-list.ts';
import type { AccessLimits } from './access-limits.ts';
import { grantPrincipal, looksLikeGrant, signGrant, verifyGrant } from './grant-token.ts';

/** A wish for a grant. */
export interface GrantWish {
  readonly direction: 'push' | 'pull';
  /** Safe relative path. */
  readonly path: string;
  /** Of a push; by default `write`. */
  readonly scope?: PushScope | undefined;
  readonly expiresInMs: number;
  readonly maxBytes: number | undefined;
  /** The same in every try of one request. */
  readonly requestId: string | undefined;
}

/** Whether a grant can be used; `ended`: the authorization that issued it has ended. */
export type GrantState = 'valid' | 'revoked' | 'ended';

/** The transfer grants of a server. */
export interface Grants extends Authenticator {
  /**
   * Issues a grant for rights that the asking authorization has itself.
   *
   * @throws CairnError `forbidden`, `quota-exceeded`, `path-too-long`, storage codes
   */
  issue(asking: Authorization, wish: GrantWish): Promise<{ issued: IssuedGrant; grant: string }>;
  /** The unexpired grants of an owner, or all for an administrator; only those within the path of the authorization. */
  list(asking: Authorization): readonly IssuedGrant[];
  /** Ends a grant at once. @throws CairnError `not-found` where the owner has none with this id, storage codes */
  revoke(asking: Authorization, id: string): Promise<void>;
  stateOf(grant: IssuedGrant): GrantState;
  /** Sets the authenticators that know whether the issuers of grants are valid; before, no grant is valid. */
  askAboutIssuers(authenticators: readonly Authenticator[]): void;
}

const PREFIX = grantPrincipal('');
/** Longest grant that clients accept as a token. */
const MAX_GRANT_CHARACTERS = 4096;

/** The parts of the grants of a server. */
interface GrantStore {
  readonly list: GrantList;
  readonly key: KeptKey;
  /** Know whether the authorization that issued a grant is still valid. */
  issuers: readonly Authenticator[];
  readonly now: () => number;
  readonly limits: GrantLimits;
}

type GrantLimits = Pick<AccessLimits, 'maxGrantsPerPrincipal' | 'maxSessionsPerGrant'>;

/**
 * Opens the grants of a state.
 *
 * @param options.following where other servers issue and revoke grants over the same state
 * @throws CairnError `config-invalid`, storage codes
 */
export async function openGrants(
  state: StateStore,
  limits: GrantLimits,
  { now = Date.now, following }: { readonly now?: () => number; readonly following?: Following } = {},
): Promise<Grants> {
  const list = await openGrantList(state, now, following);
  const key = openGrantKey(state);
  const store: GrantStore = { list, key, issuers: [], now, limits };
  const isVisible = (asking: Authorization, grant: IssuedGrant): boolean =>
    isWithin(grant.path, asking.pathPrefix) &&
    (grant.owner === asking.principal || asking.scopes.includes('admin'));
  return {
    authenticate: async ({ bearer }) => {
      if (bearer === undefined || !looksLikeGrant(bearer)) return undefined;
      const authorization = await verifyGrant(bearer, await key.find(), {
        nowMs: now(),
        maxSessions: store.limits.maxSessionsPerGrant,
      });
      // The token that issued it may have been made at another server a moment ago.
      if (whyEnded(store, authorization) !== undefined)
        await Promise.all(store.issuers.map(async (issuer) => issuer.look?.()));
      const why = whyEnded(store, authorization);
      if (why !== undefined) throw new CairnError('token-revoked', why);
      return authorization;
    },
    stands: (authorization) =>
      authorization.id.startsWith(PREFIX) ? whyEnded(store, authorization) === undefined : undefined,
    issue: (asking, wish) => issue(store, asking, wish),
    list: (asking) =>
      [...list.all()].filter((grant) => grant.expiresAtMs > now() && isVisible(asking, grant)),
    revoke: async (asking, id) => {
      const grant = list.get(id);
      if (grant === undefined || !isVisible(asking, grant))
        throw new CairnError(
          'not-found',
          'there is no such transfer grant; cairn grant --list URL shows all',
        );
      await list.revoke(grant);
    },
    stateOf: (grant) => stateOf(store, grant),
    askAboutIssuers: (authenticators) => {
      store.issuers = authenticators;
    },
  };
}

function stateOf(store: GrantStore, grant: IssuedGrant): GrantState {
  if (grant.isRevoked === true) return 'revoked';
  return issuerStands(store, grant.issuer) ? 'valid' : 'ended';
}

/** Why a grant has ended before its expiry; undefined while it is valid. */
function whyEnded(store: GrantStore, { id, issuer }: Authorization): string | undefined {
  if (store.list.get(id.slice(PREFIX.length))?.isRevoked === true)
    return 'the transfer grant has been revoked; ask the person who gave it to you for a new one';
  if (issuer !== undefined && issuerStands(store, issuer)) return undefined;
  return 'the transfer grant has ended, because the access token that issued it has ended; ask the person who gave it to you for a new one';
}

/** Whether the authorization that issued a grant is valid; issuing made sure that the grant ends before it. */
function issuerStands({ issuers }: GrantStore, { id }: IssuedGrant['issuer']): boolean {
  const issuer: Authorization = { id, principal: '', scopes: [], pathPrefix: '' };
  return issuers.some((authenticator) => authenticator.stands(issuer) === true);
}

async function issue(
  { list, key, now, limits }: GrantStore,
  asking: Authorization,
  wish: GrantWish,
): Promise<{ issued: IssuedGrant; grant: string }> {
  const { principal } = asking;
  const id =
    wish.requestId === undefined
      ? createSessionId()
      : sessionIdOf(await key.make(), principal, `grant ${wish.requestId}`);
  const before = list.get(id);
  // The answer to an earlier try was lost.
  if (before !== undefined) return { issued: before, grant: await signGrant(before, await key.make()) };
  const issued = { ...termsOf(asking, wish, now()), id, owner: principal };
  const grant = await signGrant(issued, await key.make());
  if (grant.length > MAX_GRANT_CHARACTERS)
    throw new CairnError(
      'path-too-long',
      'the path is too long for a transfer grant; make a grant for a directory above it',
    );
  // First on the list, so that every grant in use can be revoked.
  await list.add(issued, (others) => checkCount(others, { principal, nowMs: now(), limits }));
  return { issued, grant };
}

/** Refuses a grant beyond the limit of an owner. @throws CairnError `quota-exceeded` */
function checkCount(
  others: Iterable<IssuedGrant>,
  { principal, nowMs, limits }: { principal: string; nowMs: number; limits: GrantLimits },
): void {
  let count = 0;
  for (const other of others) if (other.owner === principal && other.expiresAtMs > nowMs) count += 1;
  const { maxGrantsPerPrincipal: most } = limits;
  if (count < most) return;
  const message = `one owner may have ${most} transfer grants at a time; they count until they expire`;
  throw new CairnError('quota-exceeded', message, {
    details: { quota: 'grants', limit: most, used: count },
  });
}

/** The scope of the asking authorization that covers a granted one: a stronger scope also allows the weaker ones. */
function allowing({ scopes }: Authorization, granted: Scope): Scope {
  const stronger = PUSH_SCOPES.slice(0, PUSH_SCOPES.findIndex((scope) => scope === granted) + 1);
  return stronger.find((scope) => scopes.includes(scope)) ?? granted;
}

/** The terms of a grant, if the asking authorization allows them itself. */
function termsOf(
  asking: Authorization,
  { direction, path, scope, expiresInMs, maxBytes }: GrantWish,
  nowMs: number,
): Omit<IssuedGrant, 'id' | 'owner'> {
  if (asking.id.startsWith(PREFIX))
    throw new CairnError('forbidden', 'a transfer grant cannot issue another one');
  if (scope !== undefined && direction === 'pull')
    throw new CairnError(
      'invalid-request',
      'only a grant for pushes takes a scope; a grant for pulls always has "read"',
    );
  const granted: Scope = direction === 'push' ? (scope ?? 'write') : 'read';
  checkAllows(asking, allowing(asking, granted), path);
  const createdAtMs = Math.floor(nowMs / 1000) * 1000;
  const expiresAtMs = Math.ceil((nowMs + expiresInMs) / 1000) * 1000;
  const { expiresAtMs: ownEndMs = Infinity, quota = {} } = asking;
  if (expiresAtMs > ownEndMs) {
    const ends = new Date(ownEndMs).toISOString();
    const leftSeconds = Math.max(0, Math.floor((ownEndMs - nowMs) / 1000));
    const message =
      `the grant would outlive the access token that issues it, which ends in ${leftSeconds} s (at ${ends}): ` +
      'ask for a shorter one (--expires), or use an access token of the server that lives longer (cairn token create)';
    throw new CairnError('forbidden', message);
  }
  if (maxBytes !== undefined && direction === 'pull')
    throw new CairnError('invalid-request', 'only a grant for pushes can have a limit of bytes');
  if (maxBytes !== undefined && maxBytes > (quota.bytes ?? Infinity)) {
    const message = `the access token itself may push ${formatBytes(quota.bytes ?? 0)} in all, and cannot issue a grant for more`;
    throw new CairnError('quota-exceeded', message, { details: { quota: 'bytes', limit: quota.bytes ?? 0 } });
  }
  const alsoLists = direction === 'pull' && asking.scopes.includes('list');
  return {
    direction,
    path,
    scopes: alsoLists ? [granted, 'list'] : [granted],
    createdAtMs,
    expiresAtMs,
    ...(maxBytes === undefined ? {} : { maxBytes }),
    issuer: { id: asking.id, ...(asking.quota === undefined ? {} : { quota: { ...asking.quota } }) },
  };
}
