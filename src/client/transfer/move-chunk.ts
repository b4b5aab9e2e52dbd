/** The chunks of a pass, moved by several workers: tried again where an entry had to be left out, noted once they are there. */
import { isEmptied } from '../../transfer/emptied-chunks.ts';
import { runWorkers } from '../../base/workers.ts';
import type { SyncStatus } from '../../wire/messages.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { DurableChunk } from './chunk-board.ts';
import type { Pass } from './pass.ts';

/** A chunk that is whole at the receiver. */
export interface MovedChunk {
  readonly digest: Uint8Array;
  /** The sync point that will cover it, and the one that is reached. */
  readonly status: SyncStatus;
}

/** What a direction adds to the moving of chunks. */
export interface ChunkMover {
  /** Moves a chunk, from where the receiver's bytes of it end. Undefined where the receiver turns out to have it. */
  move(chunk: number, session: SessionClient): Promise<MovedChunk | undefined>;
  /** Notes chunks that are durable at the receiver, and were not before. */
  noteDurable?(chunks: readonly DurableChunk[]): void;
  /** Whether a failure of a chunk was one of an entry, which is left out by now, durably noted; `round` counts from 0. */
  leavesOut(error: unknown, chunk: number, round: number): Promise<boolean>;
}

/** Moves one chunk that was taken from the board. @throws CairnError what the mover throws; the chunk is to do again */
export async function moveChunk(
  { board, layout, excluded }: Pass,
  mover: ChunkMover,
  session: SessionClient,
  chunk: number,
): Promise<void> {
  for (let round = 0; ; round += 1) {
    if (isEmptied(layout, chunk, excluded)) {
      board.skip(chunk);
      return;
    }
    try {
      const moved = await mover.move(chunk, session);
      if (moved === undefined) return;
      board.finish(chunk, moved.digest, moved.status.syncPoint);
      const durable = board.reached(moved.status.durableSyncPoint);
      mover.noteDurable?.(durable);
      return;
    } catch (error) {
      if (await mover.leavesOut(error, chunk, round)) continue;
      board.giveBack(chunk);
      throw error;
    }
  }
}

/** Lets as many workers as the link and the server take do what `next` hands out, each with a signal that ends them all. */
export function runChunkWorkers<Todo>(
  { context, session, manifest }: Pass,
  next: () => Todo | undefined,
  work: (todo: Todo, session: SessionClient, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  context.flow.begin(manifest.chunkSizeBytes);
  return runWorkers(session.parallel, context.signal, next, (todo, signal) =>
    work(todo, session.withSignal(signal), signal),
  );
}
