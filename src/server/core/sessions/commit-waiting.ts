/**
 * Answers a request for a commit: begins it, or waits where another node works on it, and answers in time either way.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { atMost } from '../../../base/at-most.ts';
import type { CommitReply, CommitRequest } from '../../../wire/messages.ts';
import type { SessionWork } from './admission.ts';
import { commitReplyOf, type Commits } from './commits.ts';
import type { LiveSession } from './live-session.ts';
import type { Publishers } from './publishers.ts';

/** How often this node looks at a commit that another node works on. */
const LOOK_EVERY_MS = 250;

/** The parts that begin commits and wait for them. */
export interface CommitWaiting {
  readonly begin: Commits['begin'];
  readonly publishers: Pick<Publishers, 'isElsewhere'>;
  /** After this time the answer says that the commit goes on. */
  readonly commitWaitMs: number;
}

/**
 * Begins the commit of a session, or finds the running one, here or at another node. Answers how far it is once it is
 * over, or after a while.
 *
 * @throws CairnError like {@link Commits.begin}; the commit's own error; `session-fenced`
 */
export type AskForCommit = (work: SessionWork, request: CommitRequest) => Promise<CommitReply>;

/** Makes the function that answers requests for commits. */
export function createAskForCommit({ begin, publishers, commitWaitMs }: CommitWaiting): AskForCommit {
  return async (work, request) => {
    const { live, epoch } = work;
    for (let leftMs = commitWaitMs; ;) {
      const job = await live.exclusive(() => begin(work, request));
      if (typeof job === 'object') await atMost(leftMs, job.done);
      live.record.checkEpoch(epoch);
      const isOver = live.record.value.state === 'committed' || (typeof job === 'object' && job.isRunning);
      if (isOver || leftMs <= 0) return commitReplyOf(live, job);
      leftMs = await awaitOtherNode(live, publishers, leftMs);
    }
  };
}

/** Waits while another node works on the commit; answers how much time is left. */
async function awaitOtherNode(
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
