/** How often a client keeps the lease of its session, whatever the server says of that. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CairnError } from '../../src/base/errors.ts';
import type { SessionTerms } from '../../src/wire/messages.ts';
import { createSessionClient } from '../../src/client/session/session-client.ts';
import type { TransferContext } from '../../src/client/transfer/transfer-context.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

/** How many heartbeats are sent in a minute of work under such a lease. */
async function beatsInAMinute(leaseMs: number): Promise<number> {
  let beats = 0;
  const connection = {
    request: async () => {
      beats += 1;
      throw new CairnError('network', 'away');
    },
  };
  const context = {
    flow: {},
    server: { root: new URL('http://127.0.0.1/.cairn/v1/'), connection },
    signal: new AbortController().signal,
  } as unknown as TransferContext;
  const session = createSessionClient(context, { session: 'x', epoch: 1, leaseMs } as SessionTerms);
  await session.keepingLease(async () => {
    for (let ms = 0; ms < 60_000; ms += 50) await vi.advanceTimersByTimeAsync(50);
  });
  return beats;
}

test('a client sends four heartbeats in a lease, at least one a minute, and no more than four a second', async () => {
  expect(await beatsInAMinute(40_000)).toBe(6);
  expect(await beatsInAMinute(2 ** 40)).toBe(1);
  expect(await beatsInAMinute(1)).toBe(240);
});
