/** One chunk to the server, as often as it takes, going on where the last try was cut. */
import { CairnError } from '../../base/errors.ts';
import type { SyncStatus } from '../../wire/messages.ts';
import { openBody } from './chunk-body.ts';
import { isToReadAgain } from './source-reader.ts';
import { headChunk, putChunk } from '../session/chunk-calls.ts';
import type { SessionAccess } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { Compression } from '../transfer/compression.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferProgress } from '../transfer/transfer-progress.ts';

/** A chunk that is to be sent. */
export interface OutgoingChunk {
  readonly chunk: number;
  readonly lengthBytes: number;
  readonly digestLengthBytes: number;
  /** The bytes from `offset` on, then the digest, which is also handed to `onDigest`. */
  read(offset: number, onDigest: (digest: Uint8Array) => void): AsyncIterable<Uint8Array>;
  /** How many of its first bytes the receiver has, as far as is known. */
  readonly partialBytes: number;
  /** Whether the receiver turned out to have it after all. */
  isSettled(): boolean;
}

/** A chunk that arrived. */
export interface SentChunk {
  /** Bytes that it took on the wire, all tries together, as far as they were not lost. */
  readonly wireBytes: number;
  readonly digest: Uint8Array;
  readonly status: SyncStatus;
}

/** What one try has to know of those before it. */
interface Attempts {
  /** Bytes of the chunk that the receiver has or was sent. */
  reached: number;
  /** Bytes of it that the receiver was last seen to have. */
  partialBytes: number;
  /** The most that it was ever seen to have: more than that is progress. */
  most: number;
  /** Bytes on the wire for each byte of the chunk in the try before. */
  share: number;
  /** Bytes that needed not cross the wire. */
  saved: number;
  /** Epoch of the try before; 0 before the first. */
  epoch: number;
  /** Whether the receiver has dropped what it had, because it was not what was sent. */
  wasWrong: boolean;
}

/**
 * Sends a chunk. Undefined if it turned out to be there already.
 *
 * @throws CairnError what `read` throws, and what the session's retry policy gives up with
 */
export async function sendReliably(
  session: SessionClient,
  context: Pick<TransferContext, 'retrier' | 'compression'>,
  progress: TransferProgress,
  outgoing: OutgoingChunk,
): Promise<SentChunk | undefined> {
  const { chunk, lengthBytes, partialBytes } = outgoing;
  const attempts = attemptsFrom(partialBytes);
  const crossing = context.compression.started(lengthBytes - partialBytes);
  let wireBytes = 0;
  try {
    const sent = await session.run(async (at, attempt) => {
      if (outgoing.isSettled()) return undefined;
      let offset = attempts.partialBytes;
      if (attempt > 0) {
        offset = await headChunk(at, chunk);
        if (offset > lengthBytes) offset = 0;
        // What a receiver that keeps everything does not have was still in the buffers of a socket, and never crossed.
        const isKept = at.terms.holdsPartialChunks && at.terms.epoch === attempts.epoch;
        const crossed = attempts.wasWrong || !isKept;
        account(chunk, offset, attempts, progress, { crossed });
        if (offset > attempts.most) context.retrier.progressed();
        attempts.most = Math.max(attempts.most, offset);
        arrived(offset, attempts, progress);
      }
      attempts.epoch = at.terms.epoch;
      attempts.wasWrong = false;
      const sending = sendOnce(at, outgoing, {
        offset,
        attempts,
        progress,
        compression: context.compression,
      });
      const answer = await sending.catch((error: unknown) => {
        progress.broken(chunk);
        attempts.wasWrong = error instanceof CairnError && error.code === 'chunk-digest-mismatch';
        throw error;
      });
      if (session.terms.epoch !== at.terms.epoch) {
        // The answer speaks of sync points of an epoch that is over; ask again where the chunk stands.
        throw new CairnError('session-suspended', 'the session went on in a new epoch meanwhile');
      }
      context.retrier.progressed();
      arrived(lengthBytes, attempts, progress);
      return answer;
    });
    if (sent === undefined) return undefined;
    // What was dropped and sent again may have saved more than there is.
    wireBytes = Math.max(0, lengthBytes - partialBytes - attempts.saved);
    return { ...sent, wireBytes };
  } catch (error) {
    // The source has other bytes by now: another try starts from nothing.
    if (isToReadAgain(error)) progress.lost(chunk, attempts.reached);
    throw error;
  } finally {
    crossing.over(wireBytes);
  }
}

/** Before the first try. */
function attemptsFrom(partialBytes: number): Attempts {
  return {
    reached: partialBytes,
    partialBytes,
    most: partialBytes,
    share: 1,
    saved: 0,
    epoch: 0,
    wasWrong: false,
  };
}

/** The receiver has the chunk up to `offset`: what it got of it since the try before did not cross at full length. */
function arrived(offset: number, attempts: Attempts, progress: TransferProgress): void {
  const saved = Math.floor(Math.max(0, offset - attempts.partialBytes) * (1 - attempts.share));
  if (saved > 0) progress.saved(saved);
  attempts.saved += saved;
  attempts.partialBytes = offset;
}

/** After a break: what was sent and is not there has to cross again, what arrived unnoticed has crossed. */
function account(
  chunk: number,
  offset: number,
  attempts: Attempts,
  progress: TransferProgress,
  lost?: { crossed: boolean },
): void {
  if (offset > attempts.reached) progress.moved(chunk, offset - attempts.reached);
  else progress.lost(chunk, attempts.reached - offset, lost);
  attempts.reached = offset;
  progress.answered(chunk);
}

async function sendOnce(
  at: SessionAccess,
  outgoing: OutgoingChunk,
  {
    offset,
    attempts,
    progress,
    compression,
  }: {
    readonly offset: number;
    readonly attempts: Attempts;
    readonly progress: TransferProgress;
    readonly compression: Compression;
  },
): Promise<Omit<SentChunk, 'wireBytes'>> {
  const { chunk, lengthBytes, digestLengthBytes } = outgoing;
  let digest: Uint8Array | undefined;
  let isCurrent = true;
  const source = {
    payloadBytes: lengthBytes - offset,
    digestLengthBytes,
    read: () =>
      outgoing.read(offset, (value) => {
        digest = value;
      }),
    onPayload: (bytes: number) => {
      if (!isCurrent) return; // the body of a request that is over may still be asked for its next piece
      attempts.reached += bytes;
      progress.moved(chunk, bytes);
    },
  };
  attempts.share = 1;
  const encoding = compression.encodingFor(at.terms.encodings);
  const body = await openBody(source, encoding, { memory: compression.memory, signal: at.signal });
  attempts.share = body.share;
  try {
    const status = await putChunk(at, chunk, offset, body);
    if (digest === undefined) {
      throw new CairnError('chunk-incomplete', `the server answered before chunk ${chunk} was sent whole`, {
        details: { chunk },
      });
    }
    isCurrent = false;
    // The socket took the last bytes with the digest, and was not asked for more since.
    account(chunk, lengthBytes, attempts, progress);
    return { digest, status };
  } finally {
    isCurrent = false;
    body.release();
  }
}
