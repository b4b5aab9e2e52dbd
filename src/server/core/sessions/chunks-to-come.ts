/** Lets a commit come while the last chunks are on their way: over a long line that saves a round trip. */
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost } from '../../../base/at-most.ts';
import { CairnError } from '../../../base/errors.ts';
import type { CommitRequest } from '../../../wire/messages.ts';
import { nextState } from '../../../session/record.ts';
import { checkArrived } from './commit-check.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';

/** How long chunks that another node receives may take to show here, and how often this node looks. */
const OF_OTHERS_MS = 2000;
const LOOK_EVERY_MS = 100;

/**
 * Waits, for a limited time, until all requests that bring chunks in `commit`'s epoch are over, or the commit itself
 * fails. Locks nothing meanwhile.
 *
 * @throws CairnError `chunks-missing` where chunks have not come by then; errors of the session's state
 */
export async function awaitChunks(
  live: LiveSession,
  commit: SessionRequest,
  { claim, waitMs }: { readonly claim: CommitRequest; readonly waitMs: number },
): Promise<void> {
  const bringing = [...live.requests].filter(
    ({ chunk, epoch }) => chunk !== undefined && epoch === commit.epoch,
  );
  await atMost(waitMs, Promise.race([Promise.all(bringing.map(({ done }) => done)), commit.ended]));
  // A chunk that another node receives has no request here, and shows a moment later.
  const { epoch } = commit;
  for (let leftMs = Math.min(waitMs, OF_OTHERS_MS); !(await haveArrived(live, { claim, epoch, leftMs }));) {
    await sleep(LOOK_EVERY_MS);
    leftMs -= LOOK_EVERY_MS;
    await live.record.refresh();
    await live.content.sync();
  }
}

/**
 * Whether all chunks are there, or a commit with all chunks has begun. Chunks of other nodes have `leftMs` to show.
 *
 * @throws CairnError as {@link awaitChunks} does
 */
async function haveArrived(
  live: LiveSession,
  {
    claim,
    epoch,
    leftMs,
  }: { readonly claim: CommitRequest; readonly epoch: number; readonly leftMs: number },
): Promise<boolean> {
  const { record, content } = live;
  record.checkEpoch(epoch);
  nextState(record.value, 'commit');
  if (record.value.state !== 'open') return true;
  try {
    await checkArrived(live, claim);
    return true;
  } catch (error) {
    const isMissing = error instanceof CairnError && error.code === 'chunks-missing';
    const { showsThoseOfOthers } = await content.incoming.get();
    if (isMissing && showsThoseOfOthers && leftMs > 0) return false;
    throw error;
  }
}
