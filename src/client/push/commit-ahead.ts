/**
 * A commit that is sent while the answers to the last chunks are on their way: over a long line that saves a round trip.
 * The server waits for those chunks and checks the whole as ever. Nothing depends on it: where it comes to nothing, the
 * commit that follows asks again.
 */
import { CairnError } from '../../base/errors.ts';
import type { CommitRequest } from '../../wire/messages.ts';
import type { Asked } from '../session/committing.ts';
import { commit } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import { linkedController } from '../../base/abort-signals.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';

/** The commit that one pass may send ahead. */
export interface CommitAhead {
  /** To be called when a chunk was read to its end: with the last of them the commit is sent, where that pays. */
  chunkRead(): void;
  /**
   * Runs what sends the chunks. Answers what was asked for meanwhile, where the server has taken that or may have.
   *
   * @throws CairnError what `sendChunks` throws
   */
  around(sendChunks: () => Promise<void>): Promise<Asked | undefined>;
}

/** What a session that is being committed refuses chunks with, in its epoch and after another one has begun. */
const TOO_LATE: ReadonlySet<string> = new Set(['session-state', 'session-fenced']);

/**
 * Makes the one of a pass.
 *
 * @param request what to ask for, kept for the next run; undefined as long as that is not known
 */
export function createCommitAhead(
  { isLongLine, server, signal }: Pick<TransferContext, 'isLongLine' | 'server' | 'signal'>,
  session: SessionClient,
  request: () => Promise<CommitRequest> | undefined,
): CommitAhead {
  const { controller, letGo } = linkedController(signal);
  let sent: Promise<Asked> | undefined;
  const ask = async (wanted: Promise<CommitRequest>): Promise<Asked> => {
    const asked = await wanted;
    const at = { server, terms: session.terms, signal: controller.signal };
    try {
      return { request: asked, reply: await commit(at, { ...asked, awaitChunks: true }) };
    } catch (error) {
      // Tried once: the commit that follows meets with the same. Only a server that wants time has to be given it.
      return { request: asked, refusal: wantsTime(error) ? error : undefined };
    }
  };
  return {
    chunkRead: () => {
      if (!isLongLine || session.terms.commitAwaitsChunks !== true || sent !== undefined) return;
      const wanted = request();
      if (wanted === undefined) return;
      sent = ask(wanted);
      sent.catch(() => undefined); // thrown by `around`
    },
    around: async (sendChunks) => {
      try {
        await sendChunks();
        const asked = await sent;
        return asked?.reply === undefined && asked?.refusal === undefined ? undefined : asked;
      } catch (error) {
        if (sent !== undefined && isTooLate(error)) return await sent;
        controller.abort(error);
        throw error;
      } finally {
        letGo();
      }
    },
  };
}

/** The answer to a chunk was lost, and the server commits what it has: it is refused when it is sent again. */
function isTooLate(error: unknown): boolean {
  return error instanceof CairnError && TOO_LATE.has(error.code);
}

/** The server is to be asked the same again, and has said when. */
function wantsTime(error: unknown): error is CairnError {
  if (!(error instanceof CairnError) || error.traits.retry !== 'again') return false;
  return error.details['retryAfterMs'] !== undefined;
}
