/** Which metadata a server tells of its entries, and sets on those of its clients. */
import { METADATA_KINDS, type MetadataKind } from '../../manifest/metadata.ts';
import type { Authorization } from '../../session/authorization.ts';
import { existingOf } from '../../session/scopes.ts';
import type { MetadataAbilities } from '../../transfer/entry-lookup.ts';

/**
 * Kinds that name users of the server's machine, and give files and rights to them: a push sets them only where the
 * operator allows it, for a token that may replace entries. A grant is for a person who is no user of the machine.
 */
const OF_USERS: readonly MetadataKind[] = ['acls', 'group', 'names', 'owner'];

/** The metadata of the pushes and pulls of one server. */
export interface MetadataPolicy {
  /** What some client may ask for. */
  readonly push: readonly MetadataKind[];
  readonly pull: readonly MetadataKind[];
  /** What an authorization gets of it. */
  agree(direction: 'push' | 'pull', wished: readonly string[], by: By): readonly MetadataKind[];
}

type By = Pick<Authorization, 'scopes' | 'issuer'> | undefined;

/** Makes the policy of one server from the abilities of its store. */
export function createMetadataPolicy(
  abilities: MetadataAbilities | undefined,
  allowOwners: boolean,
): MetadataPolicy {
  const { tells = [], keeps = [] } = abilities ?? {};
  const plain = (kind: MetadataKind): boolean => !OF_USERS.includes(kind);
  const push = allowOwners ? keeps : keeps.filter((kind) => plain(kind));
  const pull = tells;
  return {
    push,
    pull,
    agree: (direction, wished, by) => {
      const isOfUser = by !== undefined && by.issuer === undefined;
      const maySet = direction === 'pull' || existingOf(by?.scopes ?? []) === 'replaced';
      const possible = direction === 'push' ? push : pull;
      return METADATA_KINDS.filter(
        (kind) => wished.includes(kind) && possible.includes(kind) && (plain(kind) || (isOfUser && maySet)),
      );
    },
  };
}
