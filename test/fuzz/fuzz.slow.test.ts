/** A sample of what `npm run test:fuzz` does for longer. */
import { expect, test } from 'vitest';
import { runCampaign } from './campaign.ts';
import { faultsOf } from './verdict.ts';

test.each([
  ['TCP', false],
  ['TLS', true],
])(
  'a server outlives thousands of broken requests over %s, and holds no more than before',
  async (_name, isTls) => {
    const result = await runCampaign({ isTls, messages: 3000, seed: 42 });
    expect(faultsOf(result)).toEqual([]);
    // Something was understood, and something was not.
    expect([200, 400, 401].map((status) => (result.statuses.get(status) ?? 0) > 0)).toEqual([
      true,
      true,
      true,
    ]);
  },
  300_000,
);
