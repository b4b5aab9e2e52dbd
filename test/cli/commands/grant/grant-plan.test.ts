import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import { planGrant, type GrantWords } from '../../../../src/cli/commands/grant/grant-plan.ts';

const URL = 'https://files.example.org/inbox/alice';

function codeOf(word: string, words: GrantWords): string {
  try {
    planGrant(word, words);
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('a grant', () => {
  it('is for a day unless told otherwise', () => {
    expect(planGrant(URL, { push: true })).toMatchObject({
      what: 'issue',
      direction: 'push',
      expiresInMs: 86_400_000,
      maxBytes: undefined,
      out: undefined,
    });
  });

  it('is what it was told to be', () => {
    const words = { push: true, expires: '90d', maxBytes: '10G', out: '/tmp/x' };
    expect(planGrant(URL, words)).toMatchObject({
      expiresInMs: 90 * 86_400_000,
      maxBytes: 10 * 1024 ** 3,
      out: '/tmp/x',
    });
    expect(planGrant(URL, { pull: true })).toMatchObject({ direction: 'pull' });
  });

  it('is listed, and revoked by its id', () => {
    expect(planGrant(URL, { list: true }).what).toBe('list');
    const id = `-${'x'.repeat(21)}`;
    expect(planGrant(URL, { revoke: id })).toMatchObject({ what: 'revoke', id });
  });

  it.each<[GrantWords, string]>([
    [{}, 'usage'],
    [{ push: true, pull: true }, 'usage'],
    [{ push: true, list: true }, 'usage'],
    [{ list: true, out: 'x' }, 'usage'],
    [{ revoke: 'x' }, 'usage'],
    [{ revoke: '../../../../../../../x' }, 'usage'],
    [{ pull: true, maxBytes: '1G' }, 'usage'],
    [{ push: true, maxBytes: '0' }, 'usage'],
    [{ push: true, expires: '0' }, 'usage'],
    [{ push: true, expires: '9999d' }, 'usage'],
    [{ push: true, out: '' }, 'usage'],
  ])('is not made from %j', (words, code) => {
    expect(codeOf(URL, words)).toBe(code);
  });

  it('is of a URL', () => {
    expect(codeOf('inbox/alice', { push: true })).toBe('usage');
    expect(codeOf('https://x/../y', { push: true })).toBe('path-unsafe');
  });
});
