/** Lets one process at a time change files that commands change beside a running server. */
import { waitForProcessLock } from '../../../base/process-lock.ts';

/** How long to wait for another process before giving up. */
const WAIT_FOR_LOCK_MS = 10_000;

/**
 * Runs `work` while no other process has the lock of `directory`, and no other work of this process.
 *
 * @throws CairnError `state-locked` when another process never ends; storage codes
 */
export async function whileLocked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const lock = await waitForProcessLock(directory, { code: 'state-locked', waitMs: WAIT_FOR_LOCK_MS });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}
