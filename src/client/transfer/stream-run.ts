/** A transfer between a pipe and one file: nothing of it outlives the process, so a failure frees the session. */
import type { Manifest } from '../../manifest/manifest.ts';
import type { Report, TransferSummary } from '../api/events.ts';
import {
  DEFAULT_STREAM_CHUNK_SIZE_BYTES,
  MAX_STREAM_CHUNK_SIZE_BYTES,
  type TransferOptions,
} from '../api/options.ts';
import { orAbandon } from '../session/give-up.ts';
import type { SessionClient } from '../session/session-client.ts';
import { NOTHING_IS_KEPT, tellingWhatIsKept } from '../state/kept.ts';
import { countsOf, inContext, type TransferContext } from './transfer-context.ts';

/** Memory for the chunks of a stream that wait for their turn, or for a sync point, in bytes. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/** A stream that is under way. */
export interface Stream {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly manifest: Manifest;
}

/** What a direction adds. */
export interface StreamSteps {
  /** Begins a session with chunks of at most this size. */
  establish(context: TransferContext, chunkSizeBytes: number): Promise<Omit<Stream, 'context'>>;
  /** Moves everything, and agrees on the whole. */
  carry(stream: Stream): Promise<Pick<TransferSummary, 'bytesTotal' | 'digest'>>;
}

/** Carries out a stream. @throws CairnError what finding the server and the steps throw */
export function runStream(
  direction: 'push' | 'pull',
  options: TransferOptions,
  steps: StreamSteps,
): Promise<TransferSummary> {
  let isOpen = false;
  const hasBegun = (): boolean => isOpen;
  options.onStart?.(hasBegun);
  const wished = options.chunkSizeBytes ?? DEFAULT_STREAM_CHUNK_SIZE_BYTES;
  return tellingWhatIsKept(NOTHING_IS_KEPT, () =>
    inContext({ ...options, hasBegun }, async (context) => {
      const begun = await steps.establish(context, Math.min(wished, MAX_STREAM_CHUNK_SIZE_BYTES));
      const { session } = begun;
      isOpen = true;
      const stream = { context, ...begun };
      const { bytesTotal, digest } = await orAbandon(session, () =>
        session.keepingLease(() => steps.carry(stream)),
      );
      const none = { bytesSkipped: 0, bytesReused: 0, bytesResumed: 0, excluded: 0, unselected: 0 };
      const one = { direction, entries: 1, changed: 1, bytesTotal, ...none, digest };
      return { ...one, ...countsOf(context) };
    }),
  );
}

/** Tells that the bytes of a stream begin to move; null for a size that is not known. */
export function tellStream(report: Report, bytesTotal: number | null): void {
  report({ type: 'planned', entries: 1, carried: 1, bytesTotal, bytesSkipped: 0, bytesResumed: 0 });
  report({ type: 'phase', phase: 'transferring', entries: 1 });
}

/** How many chunks of a stream fit into memory, at least two and at most so many. */
export function windowOf({ chunkSizeBytes }: Pick<Manifest, 'chunkSizeBytes'>, most: number): number {
  return Math.max(2, Math.min(most, Math.floor(WINDOW_BYTES / chunkSizeBytes)));
}
