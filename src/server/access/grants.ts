/**
 * Transfer grants: somebody without an account may push or pull one thing, for a while. They are checked by their
 * signature; what is kept of them is who issued which, so that they can be listed and revoked.
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

/** What somebody wants to grant. */
export interface GrantWish {
  readonly direction: 'push' | 'pull';
  /** Safe relative path. */
  readonly path: string;
  /** Of a push; `write`, where undefined. */
  readonly scope?: PushScope | undefined;
  readonly expiresInMs: number;
  readonly maxBytes: number | undefined;
  /** The same in every try of one request. */
  readonly requestId: string | undefined;
}

/** Whether a grant is good for anything; `ended`: what it was issued with is not any more. */
export type GrantState = 'valid' | 'revoked' | 'ended';

/** The transfer grants of a server. */
export interface Grants extends Authenticator {
  /**
   * Issues a grant in the name of an authorization, for what that allows itself.
   *
   * @throws CairnError `forbidden`, `quota-exceeded`, `path-too-long`, storage codes
   */
  issue(asking: Authorization, wish: GrantWish): Promise<{ issued: IssuedGrant; grant: string }>;
  /** The grants that an owner has issued and that are not expired; all, for administration. None outside of its path. */
  list(asking: Authorization): readonly IssuedGrant[];
  /** Ends a grant, at once. @throws CairnError `not-found` where the owner has none of this id, storage codes */
  revoke(asking: Authorization, id: string): Promise<void>;
  stateOf(grant: IssuedGrant): GrantState;
  /** Says who knows whether what a grant was issued with still stands; before, nobody does, and no grant is valid. */
  askAboutIssuers(authenticators: readonly Authenticator[]): void;
}

const PREFIX = grantPrincipal('');
/** Longest grant that clients take for a token. */
const MAX_GRANT_CHARACTERS = 4096;

/** What grants are opened over. */
interface GrantStore {
  readonly list: GrantList;
  readonly key: KeptKey;
  /** Who knows whether what a grant was issued with still stands. */
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
      // The token that it was issued with may have been made at another server a moment ago.
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

/** Why a grant is over before its time; undefined while it stands. */
function whyEnded(store: GrantStore, { id, issuer }: Authorization): string | undefined {
  if (store.list.get(id.slice(PREFIX.length))?.isRevoked === true)
    return 'the transfer grant has been revoked; ask whoever gave it to you for a new one';
  if (issuer !== undefined && issuerStands(store, issuer)) return undefined;
  return 'the transfer grant has ended with the access token that it was issued with; ask for a new one';
}

/** A grant ends with what it was issued with. That it does not outlive its expiry was seen to when it was issued. */
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
    throw new CairnError('path-too-long', 'the path is too long for a transfer grant; grant one above it');
  // First on the list: what is handed out can be revoked.
  await list.add(issued, (others) => checkCount(others, { principal, nowMs: now(), limits }));
  return { issued, grant };
}

/** Refuses one grant more than an owner may have. @throws CairnError `quota-exceeded` */
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

/** The scope of who asks by which another one can be granted: a stronger one allows the weaker, too. */
function allowing({ scopes }: Authorization, granted: Scope): Scope {
  const stronger = PUSH_SCOPES.slice(0, PUSH_SCOPES.findIndex((scope) => scope === granted) + 1);
  return stronger.find((scope) => scopes.includes(scope)) ?? granted;
}

/** What is granted, where the asking authorization allows that itself. */
function termsOf(
  asking: Authorization,
  { direction, path, scope, expiresInMs, maxBytes }: GrantWish,
  nowMs: number,
): Omit<IssuedGrant, 'id' | 'owner'> {
  if (asking.id.startsWith(PREFIX))
    throw new CairnError('forbidden', 'a transfer grant cannot be passed on as another one');
  if (scope !== undefined && direction === 'pull')
    throw new CairnError('invalid-request', 'a scope is for what is pushed; to pull needs "read"');
  const granted: Scope = direction === 'push' ? (scope ?? 'write') : 'read';
  checkAllows(asking, allowing(asking, granted), path);
  const createdAtMs = Math.floor(nowMs / 1000) * 1000;
  const expiresAtMs = Math.ceil((nowMs + expiresInMs) / 1000) * 1000;
  const { expiresAtMs: ownEndMs = Infinity, quota = {} } = asking;
  if (expiresAtMs > ownEndMs) {
    const ends = new Date(ownEndMs).toISOString();
    const leftSeconds = Math.max(0, Math.floor((ownEndMs - nowMs) / 1000));
    const message =
      `the grant would outlive the access token that it is asked for with, which ends in ${leftSeconds} s (at ${ends}): ` +
      'ask for less (--expires), or with an access token of the server that lives longer (cairn token create)';
    throw new CairnError('forbidden', message);
  }
  if (maxBytes !== undefined && direction === 'pull')
    throw new CairnError('invalid-request', 'only what is pushed can be limited in bytes');
  if (maxBytes !== undefined && maxBytes > (quota.bytes ?? Infinity)) {
    const message = `the access token itself may push ${formatBytes(quota.bytes ?? 0)} in all, and cannot grant more`;
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
