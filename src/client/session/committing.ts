/** The last step of every transfer: both sides agree on the whole. */
import { setTimeout as sleep } from 'node:timers/promises';
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { CommitReply, CommitRequest } from '../../wire/messages.ts';
import type { Report } from '../api/events.ts';
import type { Retrier } from '../http/retry.ts';
import { commit, type SessionAccess } from './session-calls.ts';
import type { SessionClient } from './session-client.ts';

const FIRST_POLL_MS = 20;
const MAX_POLL_MS = 1000;
/** Rounds of sending what the server misses; a server that misses more has lost its mind, or its disk. */
const MAX_ROUNDS = 5;

/** Who is told of a commit, and who waits for it. */
interface Around {
  readonly retrier: Retrier;
  readonly report: Report;
}

/** A commit that was asked for already. */
export interface Asked {
  readonly request: CommitRequest;
  /** What the server said to it; undefined where that was lost, or where it was an earlier run that asked. */
  readonly reply?: CommitReply | undefined;
  /** With what the server refused it that wants to be asked again, but not at once. */
  readonly refusal?: CairnError | undefined;
}

/** What a commit can need. */
export interface CommitSteps {
  /** The commit of the first round, where one was asked for already. */
  readonly asked?: Asked | undefined;
  /** The request, made anew for each round. */
  readonly request: () => CommitRequest | Promise<CommitRequest>;
  /** Does what a refused commit wants: sends missing chunks, leaves out entries. False where nothing can be done. */
  readonly mend: (refusal: CairnError) => Promise<boolean>;
}

/** What both sides agree on, and what the server said when it was done. */
export interface Committed {
  readonly request: CommitRequest;
  readonly reply: CommitReply;
}

/**
 * Commits, and waits until the server has published. Answers what both sides agree on.
 *
 * @throws CairnError `digest-mismatch`, `chunks-missing` when sending them again does not help, storage codes of the
 * server
 */
export async function commitTransfer(
  { retrier, report }: Around,
  session: SessionClient,
  steps: CommitSteps,
): Promise<Committed> {
  report({ type: 'phase', phase: 'committing' });
  let { asked } = steps;
  const most = { entriesDone: -1 };
  for (let round = 1; ; round += 1) {
    const request = asked?.request ?? (await steps.request());
    const before = asked;
    asked = undefined;
    const { epoch } = session.terms;
    const outcome = await session.run(async (at, attempt) => {
      if (attempt > 0) return tryCommit({ retrier, report }, at, request, most);
      if (before?.refusal !== undefined) throw before.refusal;
      return tryCommit({ retrier, report }, at, request, most, before?.reply);
    });
    // What a crash costs a server that had not made it durable is no sign of that.
    if (session.terms.epoch !== epoch) round = 0;
    if (!(outcome instanceof CairnError)) return { request, reply: outcome };
    if (round === MAX_ROUNDS || !(await steps.mend(outcome))) throw outcome;
  }
}

/** Refusals that the client may mend; the session is open again after them. */
const MENDABLE = new Set(['chunks-missing', 'source-changed', 'source-missing', 'source-unreadable']);

async function tryCommit(
  { retrier, report }: Around,
  at: SessionAccess,
  request: CommitRequest,
  most: { entriesDone: number },
  first?: CommitReply,
): Promise<CommitReply | CairnError> {
  let pollMs = FIRST_POLL_MS;
  try {
    for (let reply = first; ; reply = undefined) {
      reply ??= await commit(at, request);
      checkDigest(reply, request);
      const { entriesDone, entriesTotal } = reply;
      // More than in any try before: a server that begins anew each time, and ends, gets on no more than one that is away.
      if (entriesDone > most.entriesDone) retrier.progressed();
      most.entriesDone = Math.max(most.entriesDone, entriesDone);
      report({ type: 'publishing', entriesDone, entriesTotal });
      if (reply.state === 'committed') return reply;
      await sleep(pollMs);
      at.signal?.throwIfAborted();
      pollMs = Math.min(MAX_POLL_MS, pollMs * 2);
    }
  } catch (error) {
    if (error instanceof CairnError && MENDABLE.has(error.code)) return error;
    throw error;
  }
}

function checkDigest(reply: CommitReply, request: CommitRequest): void {
  if (reply.digest === request.digest) return;
  throw new CairnError('digest-mismatch', 'the server committed other bytes than were sent', {
    details: { ours: request.digest, theirs: reply.digest },
  });
}

/** The chunks that a `chunks-missing` names; empty for another refusal. @throws CairnError `invalid-request` */
export function missingChunks(refusal: CairnError, chunkCount: number): ChunkSet {
  const { runs } = refusal.details;
  return ChunkSet.fromRuns(Array.isArray(runs) ? (runs as number[]) : [], chunkCount);
}
