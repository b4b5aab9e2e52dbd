/**
 * Counts failed authentications by network address and makes an address with too many wait. Fixed windows need two
 * numbers for each address and have an end that a client can be told. A valid token is accepted from every address at
 * any time: one of the many clients behind an address may try an old token for ever. A secret of 256 random bits cannot
 * be found by trying, at any rate.
 */
import { CairnError } from '../../base/errors.ts';
import type { AccessLimits } from './access-limits.ts';
import { addressKey } from '../../base/address-key.ts';
import type { SharedMemory } from '../../storage/state/shared-memory.ts';

/** Most addresses; beyond, the one whose window ends first is forgotten. */
const MAX_ADDRESSES = 100_000;

/** Counts failed authentications. */
export interface FailedAuthentications {
  /**
   * Counts a failure of an address. Beyond the limit answers the error to tell instead, `rate-limited`: also to
   * requests that failed at the same time.
   */
  failed(address: string): Promise<CairnError | undefined>;
  /** The number of addresses in memory. */
  readonly size: number;
}

type FailureLimits = Pick<AccessLimits, 'maxFailedAuthentications' | 'failedAuthenticationsOverMs'>;

/** What a counter goes by. */
interface CountingOptions {
  /** Milliseconds since some moment; they only grow. */
  readonly now?: () => number;
  readonly maxAddresses?: number;
  /** Where nodes count together. */
  readonly memory?: Pick<SharedMemory, 'count'> | undefined;
}

/**
 * Makes the counter of one server. Of nodes with a memory each counts for itself, too: an address waits where either count is
 * too high, so that a memory that is away or was emptied forgives nothing that was tried at this node.
 */
export function countFailedAuthentications(
  { maxFailedAuthentications, failedAuthenticationsOverMs }: FailureLimits,
  { now = () => performance.now(), maxAddresses = MAX_ADDRESSES, memory }: CountingOptions = {},
): FailedAuthentications {
  // In the order in which the windows end, since all have one length.
  const windows = new Map<string, { failures: number; readonly endsAtMs: number }>();
  const forgetEnded = (): void => {
    for (const [key, { endsAtMs }] of windows) {
      if (endsAtMs > now() && windows.size <= maxAddresses) return;
      windows.delete(key);
    }
  };
  const countHere = (key: string): CairnError | undefined => {
    forgetEnded();
    const window = windows.get(key);
    if (window === undefined || window.endsAtMs <= now()) {
      windows.delete(key);
      windows.set(key, { failures: 1, endsAtMs: now() + failedAuthenticationsOverMs });
      forgetEnded();
      return undefined;
    }
    window.failures += 1;
    return window.failures <= maxFailedAuthentications ? undefined : tooMany(window.endsAtMs - now());
  };
  return {
    get size() {
      return windows.size;
    },
    failed: async (address) => {
      const key = addressKey(address);
      const refused = countHere(key);
      const together = await memory?.count(`failed-authentications/${key}`, failedAuthenticationsOverMs);
      if (together === undefined || together.count <= maxFailedAuthentications) return refused;
      return tooMany(together.leftMs);
    },
  };
}

function tooMany(leftMs: number): CairnError {
  const retryAfterMs = Math.ceil(leftMs);
  const message =
    'the access token is not valid here, and this address has sent too many invalid ones; ' +
    `wait ${Math.ceil(retryAfterMs / 1000)} s before the next try`;
  return new CairnError('rate-limited', message, {
    details: { limit: 'failed-authentications', retryAfterMs },
  });
}
