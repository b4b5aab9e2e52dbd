/** Reads a stream into its window and sends the window's chunks, until all of it is durable at the server. */
import type { HasherFactory } from '../../manifest/digest.ts';
import { sendReliably } from './chunk-sender.ts';
import { CairnError } from '../../base/errors.ts';
import type { SyncStatus } from '../../wire/messages.ts';
import { sync } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { StreamWindow, WindowChunk } from './stream-window.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { TransferProgress } from '../transfer/transfer-progress.ts';
import { linkedController, unlessAborted } from '../../base/abort-signals.ts';

/** Everything that a stream under way needs. */
export interface StreamJob {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly window: StreamWindow;
  readonly progress: TransferProgress;
  readonly createHasher: HasherFactory;
  readonly digestLengthBytes: number;
  /** Chunks on their way at a time; less than the window holds, so that there is always room to read ahead. */
  readonly workers: number;
}

const SLICE_BYTES = 1024 * 1024;

/** Wakes those that wait for the window to change. */
interface Bell {
  ring(): void;
  heard(): Promise<void>;
}

function createBell(): Bell {
  let waiting: (() => void)[] = [];
  return {
    ring: () => {
      const woken = waiting;
      waiting = [];
      for (const wake of woken) wake();
    },
    heard: () => new Promise((resolve) => waiting.push(resolve)),
  };
}

/**
 * Sends a whole stream. The source is read as fast as the window lets go of durable chunks.
 *
 * @throws CairnError network, session and storage codes, the signal's reason; what the source throws
 */
export async function sendStream(job: StreamJob, source: AsyncIterable<Uint8Array>): Promise<void> {
  const { controller, letGo } = linkedController(job.context.signal);
  const bell = createBell();
  const { signal } = controller;
  signal.addEventListener('abort', () => bell.ring(), { once: true });
  const guarded = (work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) => {
      // The first reason stays; the others end by it.
      controller.abort(error);
      throw error;
    });
  try {
    const workers = Array.from({ length: job.workers }, () => guarded(sendAll(job, bell, signal)));
    const results = await Promise.allSettled([guarded(readAll(job, source, bell, signal)), ...workers]);
    if (results.some(({ status }) => status === 'rejected')) throw signal.reason;
  } finally {
    letGo();
  }
}

async function readAll(
  job: StreamJob,
  source: AsyncIterable<Uint8Array>,
  bell: Bell,
  signal: AbortSignal,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      // A source that says nothing must not keep a transfer alive that has failed.
      const result = await unlessAborted(Promise.resolve(iterator.next()), signal);
      if (result.done === true) break;
      await takeIn(job, result.value, bell, signal);
    }
  } finally {
    // Not waited for: a pipe may answer only when its other end writes again. What fails here has no one to tell.
    if (signal.aborted) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
  job.window.end();
  bell.ring();
  await coverAll(job, bell, signal);
}

async function takeIn(job: StreamJob, piece: Uint8Array, bell: Bell, signal: AbortSignal): Promise<void> {
  const { window } = job;
  for (let at = 0; at < piece.byteLength;) {
    const taken = window.fill(piece.subarray(at));
    at += taken;
    if (taken > 0) {
      bell.ring();
      continue;
    }
    // The window is full: what was sent must become durable, or else something must be sent first.
    if (window.uncovered > 0) await cover(job, bell);
    else await bell.heard();
    signal.throwIfAborted();
  }
}

/** After the end: until nothing is left in the window, whatever new epochs bring back. */
async function coverAll(job: StreamJob, bell: Bell, signal: AbortSignal): Promise<void> {
  const { window } = job;
  while (window.open > 0 || window.uncovered > 0) {
    if (window.open > 0) await bell.heard();
    else await cover(job, bell);
    signal.throwIfAborted();
  }
  bell.ring();
}

async function cover({ session, window }: StreamJob, bell: Bell): Promise<void> {
  const status = await syncInEpoch(session);
  window.reached(status.durableSyncPoint);
  bell.ring();
}

/** A sync point of the current epoch. */
function syncInEpoch(session: SessionClient): Promise<SyncStatus> {
  return session.run(async (at) => {
    const status = await sync(at);
    if (session.terms.epoch === at.terms.epoch) return status;
    throw new CairnError('session-suspended', 'the session went on in a new epoch meanwhile');
  });
}

async function sendAll(job: StreamJob, bell: Bell, signal: AbortSignal): Promise<void> {
  const { window } = job;
  const session = job.session.withSignal(signal);
  for (;;) {
    signal.throwIfAborted();
    const chunk = window.take();
    if (chunk !== undefined) await sendOne(job, session, chunk, bell);
    else if (window.hasEnded && window.open === 0 && window.uncovered === 0) return;
    else await bell.heard();
  }
}

async function sendOne(
  job: StreamJob,
  session: SessionClient,
  chunk: WindowChunk,
  bell: Bell,
): Promise<void> {
  const { window, digestLengthBytes, context, progress } = job;
  const sent = await sendReliably(session, context, progress, {
    chunk: chunk.chunk,
    lengthBytes: chunk.bytes.byteLength,
    digestLengthBytes,
    partialBytes: 0,
    isSettled: () => chunk.isSettled,
    read: (offset, onDigest) => readChunk(job, chunk, offset, onDigest),
  });
  if (sent === undefined) window.sent(chunk, 0);
  else {
    window.sent(chunk, sent.status.syncPoint);
    window.reached(sent.status.durableSyncPoint);
  }
  bell.ring();
}

async function* readChunk(
  { createHasher }: StreamJob,
  chunk: WindowChunk,
  offset: number,
  onDigest: (digest: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  const hasher = createHasher();
  let at = 0;
  for (let from = 0; from < chunk.bytes.byteLength; from += SLICE_BYTES) {
    const piece = chunk.bytes.subarray(from, from + SLICE_BYTES);
    hasher.update(piece);
    const skip = Math.max(0, offset - at);
    at += piece.byteLength;
    if (skip < piece.byteLength) yield piece.subarray(skip);
  }
  chunk.digest ??= hasher.digest();
  onDigest(chunk.digest);
  yield chunk.digest;
}
