/**
 * Failed authentications by network address: who guesses is told to wait. In fixed windows, which need two numbers an
 * address, and end at a time that can be told. What is valid is taken from every address, at any time: behind one of them
 * there are many clients, of which one may ask with an old token for ever. Nothing is lost by that, since a secret of 256
 * random bits is not guessed at any rate.
 */
import { CairnError } from '../../base/errors.ts';
import type { AccessLimits } from './access-limits.ts';
import { addressKey } from '../../base/address-key.ts';

/** Addresses that are remembered; beyond, the one whose window ends first is forgotten. */
const MAX_ADDRESSES = 100_000;

/** Counts failed authentications. */
export interface FailedAuthentications {
  /**
   * Notes that an address has shown something that is not valid. Beyond the limit it answers the error to tell instead,
   * `rate-limited`: many that fail at the same time are told apart, however long they took.
   */
  failed(address: string): CairnError | undefined;
  /** Addresses that are remembered. */
  readonly size: number;
}

type FailureLimits = Pick<AccessLimits, 'maxFailedAuthentications' | 'failedAuthenticationsOverMs'>;

/** Makes the counter of one server. `now` never goes back. */
export function countFailedAuthentications(
  { maxFailedAuthentications, failedAuthenticationsOverMs }: FailureLimits,
  { now = () => performance.now(), maxAddresses = MAX_ADDRESSES } = {},
): FailedAuthentications {
  // In the order in which the windows end, since all are equally long.
  const windows = new Map<string, { failures: number; readonly endsAtMs: number }>();
  const forgetEnded = (): void => {
    for (const [key, { endsAtMs }] of windows) {
      if (endsAtMs > now() && windows.size <= maxAddresses) return;
      windows.delete(key);
    }
  };
  return {
    get size() {
      return windows.size;
    },
    failed: (address) => {
      forgetEnded();
      const key = addressKey(address);
      const window = windows.get(key);
      if (window === undefined || window.endsAtMs <= now()) {
        windows.delete(key);
        windows.set(key, { failures: 1, endsAtMs: now() + failedAuthenticationsOverMs });
        forgetEnded();
        return undefined;
      }
      window.failures += 1;
      return window.failures <= maxFailedAuthentications ? undefined : tooMany(window.endsAtMs - now());
    },
  };
}

function tooMany(leftMs: number): CairnError {
  const retryAfterMs = Math.ceil(leftMs);
  const message =
    'the access token is not valid here, and there were too many such from this address; ' +
    `the next one is judged in ${Math.ceil(retryAfterMs / 1000)} s`;
  return new CairnError('rate-limited', message, {
    details: { limit: 'failed-authentications', retryAfterMs },
  });
}
