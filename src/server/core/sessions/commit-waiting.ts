/** A commit that is asked for: begun, or waited for where another node works on it, and answered in time either way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost } from '../../../base/at-most.ts';
import type { CommitReply, CommitRequest } from '../../../wire/messages.ts';
import type { SessionWork } from './admission.ts';
import { commitReplyOf, type Commits } from './commits.ts';
import type { LiveSession } from './live-session.ts';
import type { Publishers } from './publishers.ts';

/** How often it is looked what has become of a commit that another node works on. */
const LOOK_EVERY_MS = 250;

/** What commits are begun and waited for with. */
export interface CommitWaiting {
  readonly begin: Commits['begin'];
  readonly publishers: Pick<Publishers, 'isElsewhere'>;
  /** An answer that the commit goes on comes after so long. */
  readonly commitWaitMs: number;
}

/**
 * Begins the commit of a session, or finds the one that has begun, here or at another node, and answers how far it is when it
 * is over, or after a while.
 *
 * @throws CairnError like {@link Commits.begin}; what the commit failed with; `session-fenced`
 */
export type AskForCommit = (work: SessionWork, request: CommitRequest) => Promise<CommitReply>;

/** Makes what begins commits, and waits for them. */
export function createAskForCommit({ begin, publishers, commitWaitMs }: CommitWaiting): AskForCommit {
  return async (work, request) => {
    const { live, epoch } = work;
    for (let leftMs = commitWaitMs; ;) {
      const job = await live.exclusive(() => begin(work, request));
      if (typeof job === 'object') await atMost(leftMs, job.done);
      live.record.checkEpoch(epoch);
      const isOver = live.record.value.state === 'committed' || (typeof job === 'object' && job.isRunning);
      if (isOver || leftMs <= 0) return commitReplyOf(live, job);
      leftMs = await whileElsewhere(live, publishers, leftMs);
    }
  };
}

/** Waits while another node works on the commit; answers how much of the time is left. */
async function whileElsewhere(
  { record }: LiveSession,
  { isElsewhere }: CommitWaiting['publishers'],
  mostMs: number,
): Promise<number> {
  for (let leftMs = mostMs; leftMs > 0; leftMs -= LOOK_EVERY_MS) {
    await sleep(Math.min(leftMs, LOOK_EVERY_MS));
    if (!isElsewhere(await record.refresh())) return leftMs - LOOK_EVERY_MS;
  }
  return 0;
}
