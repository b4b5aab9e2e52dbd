/** A commit may be sent while the last chunks are on their way: over a long line that saves a round trip. */
import { atMost } from '../../../base/at-most.ts';
import type { CommitRequest } from '../../../wire/messages.ts';
import { nextState } from '../../../session/record.ts';
import { checkArrived } from './commit-check.ts';
import type { LiveSession, SessionRequest } from './live-session.ts';

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
  const { record } = live;
  record.checkEpoch(commit.epoch);
  nextState(record.value, 'commit');
  if (record.value.state === 'open') await checkArrived(live, claim);
}
