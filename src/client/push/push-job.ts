/** A pass of a push under way, and what it writes down. */
import type { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import type { SyncStatus } from '../../wire/messages.ts';
import type { JournalWriter } from '../state/journal-writer.ts';
import type { DurableChunk } from '../transfer/chunk-board.ts';
import type { DeletionPlan, Mirror } from '../transfer/deletion-plan.ts';
import type { Pass } from '../transfer/pass.ts';
import type { CommitAhead } from './commit-ahead.ts';
import type { SourceReader } from './source-reader.ts';

/** Everything that the chunks of one pass need. */
export interface PushJob extends Pass {
  readonly reader: SourceReader;
  /** The local checkpoint; undefined where nothing is worth keeping. */
  readonly checkpoint: { readonly log: CheckpointLog; readonly writer: JournalWriter } | undefined;
  /** Partial chunks of the server, and how many bytes it has of each. */
  readonly partialChunks: Map<number, number>;
  /**
   * Chunks that the server has and the local checkpoint does not know, reserved on the board; with their digests there,
   * or undefined where the server does not tell any more because it is committing.
   */
  readonly unverified: { readonly chunks: number[]; readonly there: ChunkDigests | undefined };
  /** Bytes of durable chunks. */
  readonly durable: { bytes: number };
  readonly ahead: CommitAhead;
  /** Whether what the source does not have is deleted, and what that is, once it is known. */
  readonly mirror: Mirror | undefined;
  readonly deletions: { plan: DeletionPlan | undefined };
}

/** Writes down chunks that are durable at the server. */
export function noteDurable({ layout, durable, checkpoint }: PushJob, chunks: readonly DurableChunk[]): void {
  for (const [chunk] of chunks) durable.bytes += layout.chunkLengthBytes(chunk);
  checkpoint?.writer.add(chunks, durable.bytes);
}

/** Writes down what the server says is durable. */
export function noteStatus(job: PushJob, { durableSyncPoint }: SyncStatus): void {
  noteDurable(job, job.board.reached(durableSyncPoint));
}

/** Zeros go out in place of excluded bytes: that must not be forgotten before any of them is sent. */
export async function keepExclusions({ checkpoint, excluded }: PushJob): Promise<void> {
  await checkpoint?.log.append({ note: { excluded: excluded.runs() } });
}
