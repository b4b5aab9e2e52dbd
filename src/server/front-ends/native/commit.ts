/** `POST sessions/{id}/commit`: both sides agree on the digest of the whole, and a push is published. */
import { CairnError } from '../../../base/errors.ts';
import { bringsBytes, type PassRecord } from '../../../session/pass-record.ts';
import { CommitWithoutRuns, type CommitRequest } from '../../../wire/messages.ts';
import type { CoreLimits } from '../../core/core-limits.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import { awaitChunks } from '../../core/sessions/chunks-to-come.ts';
import type { AskForCommit } from '../../core/sessions/commit-waiting.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { HttpLimits } from '../../http/http-limits.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { readRunsMessage } from '../../http/request-runs.ts';
import type { WithSession } from './session-request.ts';

type CommitLimits = Pick<CoreLimits, 'commitWaitMs' | 'manifest'> & Pick<HttpLimits, 'maxRunsBytes'>;

/** Makes the handler that commits a session. It answers 200 when the commit is done, 202 while it goes on. */
export function createCommitHandler(
  withSession: WithSession,
  askForCommit: AskForCommit,
  limits: CommitLimits,
): IdHandler {
  return (exchange, id) =>
    withSession(exchange, { id, event: 'commit' }, async (work) => {
      const request = await readCommit(exchange, limits, work.live.record.value.pass);
      if (request.awaitChunks === true) await chunksToCome(work, request, limits.commitWaitMs);
      const reply = await askForCommit(work, request);
      await sendJson(exchange, reply.state === 'committed' ? 200 : 202, reply);
    });
}

/** Reads the claim. A committed session has no manifest any more, and records of older servers lack its length. */
async function readCommit(
  exchange: Exchange,
  { manifest, maxRunsBytes }: CommitLimits,
  { entries = manifest.maxEntries, deletions }: PassRecord,
): Promise<CommitRequest> {
  const { message, sets } = await readRunsMessage(exchange, {
    schema: CommitWithoutRuns,
    names: ['excluded'],
    entries: entries - (deletions?.entries ?? 0),
    maxBytes: maxRunsBytes,
    what: 'the commit',
  });
  return { ...message, excluded: sets.excluded.runs() };
}

async function chunksToCome(
  { live, request }: SessionWork,
  claim: CommitRequest,
  waitMs: number,
): Promise<void> {
  if (!bringsBytes(live.record.value.pass))
    throw new CairnError('invalid-request', 'the commit of a pull has no chunks to wait for');
  await awaitChunks(live, request, { claim, waitMs });
}
