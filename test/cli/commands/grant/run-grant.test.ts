import { describe, expect, it } from 'vitest';
import { CairnError } from '../../../../src/base/errors.ts';
import type { GrantValues } from '../../../../src/cli/commands/grant/grant-command.ts';
import { grantRequestOf, type GrantRequest } from '../../../../src/cli/commands/grant/run-grant.ts';
import { given } from '../../support/given.ts';

const URL = 'https://files.example.org/inbox/alice';

type Options = Parameters<typeof given>[1];

const request = async (word: string, options: Options): Promise<GrantRequest> =>
  grantRequestOf(word, await given<GrantValues>('grant', options));

async function codeOf(word: string, options: Options): Promise<string> {
  try {
    await request(word, options);
  } catch (error) {
    if (error instanceof CairnError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('cairn grant', () => {
  it('cairn grant issues a grant for a day unless told otherwise', async () => {
    expect(await request(URL, { push: true })).toMatchObject({
      what: 'issue',
      direction: 'push',
      expiresInMs: 86_400_000,
      maxBytes: undefined,
      out: undefined,
    });
  });

  it('cairn grant issues a grant with the expiry, the limit and the file that it is told', async () => {
    const words = { push: true, expires: '90d', maxBytes: '10G', out: '/tmp/x' };
    expect(await request(URL, words)).toMatchObject({
      expiresInMs: 90 * 86_400_000,
      maxBytes: 10 * 1024 ** 3,
      out: '/tmp/x',
    });
    expect(await request(URL, { pull: true })).toMatchObject({ direction: 'pull' });
  });

  it('cairn grant lists grants, and revokes one by its id', async () => {
    expect((await request(URL, { list: true })).what).toBe('list');
    const id = `-${'x'.repeat(21)}`;
    expect(await request(URL, { revoke: id })).toMatchObject({ what: 'revoke', id });
  });

  it.each<[Options, string]>([
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
  ])('cairn grant refuses the options %j', async (words, code) => {
    expect(await codeOf(URL, words)).toBe(code);
  });

  it('cairn grant takes a URL with a safe path', async () => {
    expect(await codeOf('inbox/alice', { push: true })).toBe('usage');
    expect(await codeOf('https://x/../y', { push: true })).toBe('path-unsafe');
  });
});
