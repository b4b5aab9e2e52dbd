/**
 * Failed authentications by network address: who guesses has to wait. In fixed windows, which need two numbers an
 * address, and end at a time that can be told.
 */
import { CairnError } from '../../base/errors.ts';
import type { ServerLimits } from '../limits.ts';
import { addressKey } from './address-key.ts';

/** Addresses that are remembered; beyond, the one whose window ends first is forgotten. */
const MAX_ADDRESSES = 100_000;

/** Counts failed authentications. */
export interface FailedAuthentications {
  /** Refuses an address that has failed too often, before anything that it shows is looked at. @throws CairnError `rate-limited` */
  check(address: string): void;
  /** Notes that an address has shown something that is not valid. */
  failed(address: string): void;
  /** Addresses that are remembered. */
  readonly size: number;
}

type Limits = Pick<ServerLimits, 'maxFailedAuthentications' | 'failedAuthenticationsOverMs'>;

/** Makes the counter of one server. `now` never goes back. */
export function countFailedAuthentications(
  { maxFailedAuthentications, failedAuthenticationsOverMs }: Limits,
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
    check: (address) => {
      const window = windows.get(addressKey(address));
      if (window === undefined || window.failures < maxFailedAuthentications) return;
      const retryAfterMs = Math.ceil(window.endsAtMs - now());
      if (retryAfterMs <= 0) return;
      const seconds = Math.ceil(retryAfterMs / 1000);
      throw new CairnError(
        'rate-limited',
        `too many failed authentications from this address; the next one is looked at in ${seconds} s`,
        { details: { limit: 'failed-authentications', retryAfterMs } },
      );
    },
    failed: (address) => {
      forgetEnded();
      const key = addressKey(address);
      const window = windows.get(key);
      if (window === undefined) {
        windows.set(key, { failures: 1, endsAtMs: now() + failedAuthenticationsOverMs });
        forgetEnded();
      } else window.failures += 1;
    },
  };
}
