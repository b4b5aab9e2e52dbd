import { describe, expect, it } from 'vitest';
import { METADATA_KINDS } from '../../src/manifest/metadata.ts';
import { createMetadataPolicy } from '../../src/server/core/metadata-policy.ts';
import type { Scope } from '../../src/session/scopes.ts';

const ABILITIES = {
  tells: METADATA_KINDS,
  keeps: METADATA_KINDS,
  ids: { uidOf: () => undefined, gidOf: () => undefined },
};
const PLAIN = ['hard-links', 'sparse', 'xattrs'];
const token = (...scopes: Scope[]) => ({ scopes });
const granted = (...scopes: Scope[]) => ({ scopes, issuer: { id: 'token:x' } });

describe('the metadata policy', () => {
  it('the metadata policy leaves out owners, groups and lists of pushes unless the operator allows them', () => {
    const policy = createMetadataPolicy(ABILITIES, false);
    expect([policy.push, policy.pull]).toEqual([PLAIN, METADATA_KINDS]);
    expect(policy.agree('push', METADATA_KINDS, token('write', 'read', 'list', 'admin'))).toEqual(PLAIN);
  });

  it('the metadata policy sets owners for a token that may replace entries, and for nothing else', () => {
    const policy = createMetadataPolicy(ABILITIES, true);
    expect(policy.push).toEqual(METADATA_KINDS);
    expect(policy.agree('push', METADATA_KINDS, token('write'))).toEqual(METADATA_KINDS);
    for (const by of [token('append', 'read'), token('drop'), token(), granted('write'), undefined])
      expect(policy.agree('push', METADATA_KINDS, by)).toEqual(PLAIN);
  });

  it('the metadata policy names users to the holder of a token, and not to that of a grant', () => {
    const policy = createMetadataPolicy(ABILITIES, false);
    expect(policy.agree('pull', METADATA_KINDS, token('read'))).toEqual(METADATA_KINDS);
    expect(policy.agree('pull', METADATA_KINDS, granted('read'))).toEqual(PLAIN);
  });

  it('the metadata policy agrees to wished kinds that are known, and to none for a store without metadata', () => {
    const policy = createMetadataPolicy(ABILITIES, true);
    expect(policy.agree('push', ['xattrs', 'owner', 'secrets'], token('write'))).toEqual(['owner', 'xattrs']);
    const none = createMetadataPolicy(undefined, true);
    expect([none.push, none.pull, none.agree('pull', METADATA_KINDS, token('read'))]).toEqual([[], [], []]);
  });
});
