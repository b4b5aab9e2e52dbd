/** The issued transfer grants with their issuers and revocations: a document of the state. */
import * as v from 'valibot';
import { SCOPES } from '../../session/scopes.ts';
import type { StateStore } from '../../storage/state/state-store.ts';
import {
  derivedFrom,
  openDocument,
  type DocumentKind,
  type Following,
} from '../../storage/state/typed-document.ts';

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const quota = v.object({ bytes: v.optional(count), sessions: v.optional(count) });
const Issued = v.object({
  id: v.string(),
  /** The principal that may list and revoke it. */
  owner: v.string(),
  direction: v.picklist(['push', 'pull']),
  path: v.string(),
  scopes: v.array(v.picklist(SCOPES)),
  createdAtMs: count,
  expiresAtMs: count,
  maxBytes: v.optional(count),
  issuer: v.object({ id: v.string(), quota: v.optional(quota) }),
  isRevoked: v.optional(v.boolean()),
});
const Format = v.object({ version: v.literal(1), grants: v.array(Issued) });

/** A grant that was issued, without its secret, which is a signature. */
export type IssuedGrant = v.InferOutput<typeof Issued>;

type Grants = readonly IssuedGrant[];

const GRANTS: DocumentKind<Grants> = {
  key: 'a/grants',
  schema: v.pipe(
    v.string(),
    v.parseJson(),
    Format,
    v.transform(({ grants }) => grants),
  ),
  format: (grants) => JSON.stringify({ version: 1, grants }),
  unreadable: (where) =>
    `the transfer grants in "${where}" cannot be understood; put back a copy of the file, or move it away together with "grant-key": all grants then end`,
};

/** The grants of a server. A change is durable when it resolves. */
export interface GrantList {
  get(id: string): IssuedGrant | undefined;
  all(): Iterable<IssuedGrant>;
  /**
   * Adds a grant, unless its id is there. `check` sees all others, of every server, and may refuse it.
   *
   * @throws CairnError storage codes; errors of `check`
   */
  add(grant: IssuedGrant, check: (others: Iterable<IssuedGrant>) => void): Promise<void>;
  /** Ends a grant for ever, and at once, also where that cannot be written now. @throws CairnError storage codes */
  revoke(grant: IssuedGrant): Promise<void>;
}

/** How long an expired grant is remembered: a clock that is set back must not bring back a revoked one. */
const KEEP_EXPIRED_MS = 7 * 86_400_000;

/**
 * Opens the list of a state.
 *
 * @param following where other servers issue and revoke grants of the same list
 * @throws CairnError `config-invalid` for a document that cannot be understood, since it may have revoked something;
 * storage codes
 */
export async function openGrantList(
  state: StateStore,
  now: () => number,
  following?: Following,
): Promise<GrantList> {
  const document = await openDocument(state, GRANTS);
  if (following !== undefined) document.follow(following);
  const known = derivedFrom(document, (grants = []) => mapOf(grants));
  /** Revocations that could not be written: the next change writes them. */
  const revoked = new Map<string, IssuedGrant>();
  const isKept = ({ expiresAtMs }: IssuedGrant): boolean => expiresAtMs + KEEP_EXPIRED_MS >= now();
  const change = async (update: (grants: Map<string, IssuedGrant>) => void): Promise<void> => {
    let written: Grants = [];
    await document.change((kept = []) => {
      const grants = mapOf(kept.filter(isKept));
      written = [...revoked.values()];
      for (const grant of written) grants.set(grant.id, grant);
      update(grants);
      return [...grants.values()];
    });
    for (const { id } of written) revoked.delete(id);
  };
  return {
    get: (id) => revoked.get(id) ?? known().get(id),
    all: () => mapOf([...known().values(), ...revoked.values()]).values(),
    add: (grant, check) =>
      change((grants) => {
        if (grants.has(grant.id)) return;
        check(grants.values());
        grants.set(grant.id, grant);
      }),
    revoke: async (grant) => {
      revoked.set(grant.id, { ...grant, isRevoked: true });
      await change(() => {});
    },
  };
}

function mapOf(grants: Grants): Map<string, IssuedGrant> {
  return new Map(grants.map((grant) => [grant.id, grant]));
}
