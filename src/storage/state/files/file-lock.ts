/** Lets one process at a time change files that commands change beside a running server. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../../base/errors.ts';
import { acquireProcessLock, type ProcessLock } from '../../../base/process-lock.ts';

/** How long to wait for another process before giving up. */
const WAIT_FOR_LOCK_MS = 10_000;
const LOOK_AGAIN_MS = 15;

/**
 * Runs `work` while no other process has the lock of `directory`, and no other work of this process.
 *
 * @throws CairnError `state-locked` when another process never ends; storage codes
 */
export async function whileLocked<T>(directory: string, work: () => Promise<T>): Promise<T> {
  const lock = await waitForLock(directory);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function waitForLock(directory: string): Promise<ProcessLock> {
  const untilMs = performance.now() + WAIT_FOR_LOCK_MS;
  for (;;) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- one try after the other
      return await acquireProcessLock(directory, { code: 'state-locked' });
    } catch (error) {
      const isTaken = error instanceof CairnError && error.code === 'state-locked';
      if (!isTaken || performance.now() > untilMs) throw error;
      // oxlint-disable-next-line no-await-in-loop -- nothing tells when it is free
      await sleep(LOOK_AGAIN_MS * (1 + Math.random()));
    }
  }
}
