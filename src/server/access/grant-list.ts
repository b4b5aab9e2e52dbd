/** Which transfer grants were issued, by whom, and which are revoked: a document of the state. */
import * as v from 'valibot';
import { SCOPES } from '../../session/scopes.ts';
import type { StateStore } from '../../storage/state/state-store.ts';
import {
  openDocument,
  type DocumentKind,
  type Following,
  type TypedDocument,
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

/** The grants of a server. What is changed is durable when it resolves; what is asked for holds at once. */
export interface GrantList {
  get(id: string): IssuedGrant | undefined;
  all(): Iterable<IssuedGrant>;
  /** Adds a grant, or revokes one: what is revoked stays so. @throws CairnError, storage codes */
  put(grant: IssuedGrant): Promise<void>;
}

/** An expired grant is remembered for so long: a clock that is set back must not bring back a revoked one. */
const KEEP_EXPIRED_MS = 7 * 86_400_000;

/**
 * Opens the list of a state.
 *
 * @param following where other servers issue and revoke grants of the same list
 * @throws CairnError `config-invalid` for a document that cannot be understood: it may have revoked something; storage codes
 */
export async function openGrantList(
  state: StateStore,
  now: () => number,
  following?: Following,
): Promise<GrantList> {
  const document = await openDocument(state, GRANTS);
  if (following !== undefined) document.follow(following);
  const known = byId(document);
  /** What is not durable yet. A revocation that could not be written stays here, and is written with the next change. */
  const asked = new Map<string, IssuedGrant>();
  const get = (id: string): IssuedGrant | undefined => merged(known().get(id), asked.get(id));
  const isKept = ({ expiresAtMs }: IssuedGrant): boolean => expiresAtMs + KEEP_EXPIRED_MS >= now();
  return {
    get,
    all: () => [...merge(known(), asked.values()).values()],
    put: async (grant) => {
      asked.set(grant.id, merged(asked.get(grant.id), grant) ?? grant);
      let written: Grants = [];
      try {
        await document.change((kept = []) => {
          written = [...asked.values()];
          return [...merge(mapOf(kept), written).values()].filter(isKept);
        });
      } catch (error) {
        if (grant.isRevoked !== true) asked.delete(grant.id);
        throw error;
      }
      for (const each of written) if (asked.get(each.id) === each) asked.delete(each.id);
    },
  };
}

/** One grant out of what is known of it: it is revoked where either says so. */
function merged(before: IssuedGrant | undefined, after: IssuedGrant | undefined): IssuedGrant | undefined {
  return before?.isRevoked === true ? before : (after ?? before);
}

function merge(
  before: ReadonlyMap<string, IssuedGrant>,
  after: Iterable<IssuedGrant>,
): Map<string, IssuedGrant> {
  const grants = new Map(before);
  for (const grant of after) grants.set(grant.id, merged(before.get(grant.id), grant) ?? grant);
  return grants;
}

function mapOf(grants: Grants): Map<string, IssuedGrant> {
  return new Map(grants.map((grant) => [grant.id, grant]));
}

/** What a document says, to be found by id. */
function byId(document: Pick<TypedDocument<Grants>, 'value'>): () => ReadonlyMap<string, IssuedGrant> {
  let grants: Grants | undefined;
  let index = mapOf([]);
  return () => {
    if (document.value === grants) return index;
    grants = document.value;
    index = mapOf(grants ?? []);
    return index;
  };
}
