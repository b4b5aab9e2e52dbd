import { describe, expect, it } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import { createSessionId, hashSecret, issueSecret, isSecret } from '../../src/session/credential.ts';
import { advance, checkFence, isLeaseOver, nextState } from '../../src/session/record.ts';
import { SESSION_ID_PATTERN } from '../../src/wire/messages.ts';
import { recordOf } from '../suites/session-store.ts';

function codeOf(doing: () => unknown): string {
  try {
    doing();
  } catch (error) {
    return error instanceof CairnError ? error.code : `not a CairnError: ${String(error)}`;
  }
  return 'accepted';
}

describe('session records', () => {
  it('a session record advances by one version, with its changes, and leaves the old one as it was', () => {
    const before = recordOf('a');
    const copy = structuredClone(before);
    const after = advance(before, 'suspend', { holder: 'process', leaseExpiresAtMs: 5 });
    expect(after).toEqual({
      ...copy,
      version: 2,
      state: 'suspended',
      holder: 'process',
      leaseExpiresAtMs: 5,
    });
    expect(before).toEqual(copy);
  });

  it('a session record cannot be given a state or a version from outside the table', () => {
    expect(advance(recordOf('a'), 'suspend', { state: 'committed', version: 99 })).toMatchObject({
      state: 'suspended',
      version: 2,
    });
  });

  it.each([
    ['committed', 'transfer', 'session-state'],
    ['aborted', 'resume', 'session-aborted'],
    ['expired', 'resume', 'session-expired'],
    ['suspended', 'transfer', 'session-suspended'],
    ['establishing', 'commit', 'session-state'],
  ] as const)('a session that is %s refuses %s with %s', (state, event, code) => {
    expect(codeOf(() => advance(recordOf('a', { state }), event))).toBe(code);
    expect(codeOf(() => nextState({ id: 'a', state }, event))).toBe(code);
  });

  it('the lease of a session ends at the very millisecond', () => {
    const record = recordOf('a', { leaseExpiresAtMs: 1000 });
    expect([999, 1000, 1001].map((nowMs) => isLeaseOver(record, nowMs))).toEqual([false, true, true]);
  });
});

describe('fences', () => {
  const { secret, hash } = issueSecret();
  const record = recordOf('a', { epoch: 3, credentialHash: hash });

  it('the fence of a session accepts the current epoch and credential', () => {
    expect(codeOf(() => checkFence(record, 3, secret))).toBe('accepted');
  });

  it.each([2, 4, 0, -3, 3.5, Number.NaN])(
    'the fence of a session refuses epoch %d, even with the right credential',
    (epoch) => {
      expect(codeOf(() => checkFence(record, epoch, secret))).toBe('session-fenced');
    },
  );

  it.each(['', 'x', 'x'.repeat(43), 'x'.repeat(10_000), hash])(
    'the fence of a session refuses the credential %s',
    (credential) => {
      expect(codeOf(() => checkFence(record, 3, credential))).toBe('session-credential');
    },
  );

  it('the fence of a session refuses the credential of the epoch before', () => {
    const next = advance(record, 'resume', { epoch: 4, credentialHash: issueSecret().hash });
    expect(codeOf(() => checkFence(next, 3, secret))).toBe('session-fenced');
    expect(codeOf(() => checkFence(next, 4, secret))).toBe('session-credential');
  });
});

describe('secrets', () => {
  it('a secret is 256 random bits, and its hash suffices to check it', () => {
    const { secret, hash } = issueSecret();
    expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(hash).toBe(hashSecret(secret));
    expect(hash).not.toContain(secret);
    expect(isSecret(secret, hash)).toBe(true);
    expect(isSecret(`${secret}=`, hash)).toBe(false);
    expect(issueSecret().secret).not.toBe(secret);
  });

  it('a secret comes from the randomness that is given', () => {
    expect(issueSecret((bytes) => Buffer.alloc(bytes, 0xff)).secret).toBe(`${'_'.repeat(42)}8`);
  });

  it('a secret is hashed as the SHA-256 of its text', () => {
    expect(hashSecret('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('a session id is made without a secret, and has the form of ids', () => {
    expect(createSessionId()).toMatch(SESSION_ID_PATTERN);
    expect(createSessionId((bytes) => Buffer.alloc(bytes))).toBe('A'.repeat(22));
  });
});
