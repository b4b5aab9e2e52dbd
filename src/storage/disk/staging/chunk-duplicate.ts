/** A chunk that a client sends again although it is already staged. */
import { storageError } from '../../../base/errors.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import { sameDigest } from '../../../manifest/digest.ts';
import type { PendingChunk } from './chunk-sync.ts';
import type { ChunkPlace } from './chunk-writer.ts';
import { readPieces } from '../tree/read-pieces.ts';
import type { StagedFile, StagedFiles } from './staged-files.ts';

/** A second copy of a chunk, whole and in its own file. */
export interface Duplicate {
  readonly chunk: number;
  readonly bytes: number;
  readonly digest: Uint8Array;
  readonly file: StagedFile;
  /** The place of the first copy. */
  readonly to: ChunkPlace;
  /** The digest of the first copy, if it is still there. */
  readonly known: Uint8Array | undefined;
}

/**
 * Keeps the first copy where both are the same. Otherwise the second replaces it; the journal forgets the first
 * one before its bytes change, so that no crash leaves a record of bytes that are gone.
 *
 * @param onForget called right before the first copy goes
 * @returns the chunk, finished but not durable, where it was replaced
 * @throws CairnError with a storage code; the chunk is then gone
 */
export async function finishDuplicate(
  duplicate: Duplicate,
  files: StagedFiles,
  log: CheckpointLog,
  onForget: () => void,
): Promise<PendingChunk | undefined> {
  const { chunk, digest, known, to } = duplicate;
  if (known !== undefined && sameDigest(known, digest)) return undefined;
  onForget();
  if (log.digests.has(chunk)) await log.append({ forget: [chunk] });
  const file = await files.acquire(to.fileName);
  try {
    const { fd } = await duplicate.file.opening;
    let at = to.fileOffset;
    for await (const piece of readPieces(fd, 0, duplicate.bytes)) {
      await file.write([piece], at);
      at += piece.byteLength;
    }
    return { file, digest: Uint8Array.from(digest) };
  } catch (error) {
    throw storageError(error, `replacing chunk ${chunk}`);
  } finally {
    await files.release(file);
  }
}
