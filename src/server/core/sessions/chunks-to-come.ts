/** A commit may be sent while the last chunks are on their way: over a long line that saves a round trip. */
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost } from '../../../base/at-most.ts';
import { CairnError } from '../../../base/errors.ts';
import type { CommitRequest } from '../../../wire/messages.ts';
import { nextState } from '../../../session/record.ts';
import { checkArrived } from './commit-check.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';

/** How long chunks that another node receives may take to show, and how often it is looked. */
const OF_OTHERS_MS = 2000;
const LOOK_EVERY_MS = 100;

/**
 * Waits until the requests of `commit`'s epoch that bring chunks are over, or it was itself made to fail, but not for
 * long. Nothing is locked meanwhile.
 *
 * @throws CairnError `chunks-missing` where chunks have not come by then; what became of the session meanwhile
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
  // A chunk that another node receives is none of the requests here, and shows a moment later.
  const { epoch } = commit;
  for (let leftMs = Math.min(waitMs, OF_OTHERS_MS); !(await haveArrived(live, { claim, epoch, leftMs }));) {
    await sleep(LOOK_EVERY_MS);
    leftMs -= LOOK_EVERY_MS;
    await live.record.refresh();
    await live.content.sync();
  }
}

/**
 * Whether all chunks are there, or a commit has begun for which they were. Where chunks of other nodes can show, they have
 * `leftMs` to come.
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
