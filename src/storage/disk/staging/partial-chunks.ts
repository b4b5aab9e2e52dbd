/** Partial chunks: the bytes that are staged now, and the bytes that the journal records. */
import { lstatSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import { MAX_PARTIAL_CHUNKS } from '../../../checkpoint/checkpoint-records.ts';
import { offsetMismatch } from '../../../transfer/offset-mismatch.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { chunkPlace } from './staged-names.ts';

/** The first bytes of a partial chunk, for a sync point to cover. */
export interface PartialChunk {
  readonly chunk: number;
  readonly bytes: number;
  /** The staged file that contains them. */
  readonly fileName: string;
}

/** The partial chunks of one transfer. */
export class PartialChunks {
  readonly #transfer: IncomingTransfer;
  readonly #log: CheckpointLog;
  readonly #bytes: Map<number, number>;
  /** The partial chunks that the running sync point may record. */
  #claiming: ReadonlyMap<number, number> = new Map();

  /**
   * Starts with the log's partial chunks, as far as the open staging folder has them.
   *
   * @throws CairnError storage codes
   */
  constructor(folder: Directory, log: CheckpointLog, transfer: IncomingTransfer) {
    this.#transfer = transfer;
    this.#log = log;
    this.#bytes = findPartial(folder, log, transfer);
  }

  /** The number of staged bytes, by chunk; a live view. */
  get bytes(): ReadonlyMap<number, number> {
    return this.#bytes;
  }

  /** Sets the number of staged bytes of a chunk. */
  set(chunk: number, bytes: number): void {
    this.#bytes.set(chunk, bytes);
  }

  /** Keeps only the first `offset` bytes of a chunk, if it has so many. */
  shorten(chunk: number, offset: number): void {
    const bytes = Math.min(this.#bytes.get(chunk) ?? 0, offset);
    if (bytes > 0) this.#bytes.set(chunk, bytes);
    else this.#bytes.delete(chunk);
  }

  /** Forgets the partial chunks in a file whose sync failed: their bytes may be gone, too. */
  deleteIn(fileName: string): void {
    for (const chunk of this.#bytes.keys()) {
      if (chunkPlace(this.#transfer, chunk).fileName === fileName) this.#bytes.delete(chunk);
    }
  }

  /** Partial chunks for a sync point that begins now; all their bytes are written. End it with {@link endClaiming}. */
  beginClaiming(): PartialChunk[] {
    // A sender with more partial chunks than are recorded sends the rest again.
    const claims = [...this.#bytes].filter(([, bytes]) => bytes > 0).slice(0, MAX_PARTIAL_CHUNKS);
    this.#claiming = new Map(claims);
    return claims.map(([chunk, bytes]) => {
      const { fileName } = chunkPlace(this.#transfer, chunk);
      return { chunk, bytes, fileName };
    });
  }

  /** The sync point is over: its partial chunks are in the log. */
  endClaiming(): void {
    this.#claiming = new Map();
  }

  /**
   * Refuses an offset at which the staged bytes do not end. After a cut-off they may reach further than the newer
   * writer was told.
   *
   * @throws CairnError `chunk-offset-mismatch`
   */
  checkOffset(chunk: number, offset: number, tookOver: boolean): void {
    const bytes = this.#bytes.get(chunk) ?? 0;
    if (offset === 0 || offset === bytes || (tookOver && offset > 0 && offset < bytes)) return;
    throw offsetMismatch(chunk, bytes);
  }

  /** Whether the log has, or is about to have, a record of bytes of a chunk at or behind `offset`. */
  isClaimedFrom(chunk: number, offset: number): boolean {
    return [this.#log.partialChunks, this.#claiming].some((claims) => (claims.get(chunk) ?? 0) > offset);
  }

  /**
   * Withdraws the record of bytes from `offset` on, before other bytes replace them or because they are wrong. Do not
   * call it during a sync point.
   *
   * @throws CairnError with a storage code
   */
  async withdraw(chunk: number, offset: number): Promise<void> {
    this.shorten(chunk, offset);
    if (this.isClaimedFrom(chunk, offset)) await this.#log.append({ forget: [chunk] });
  }
}

/** The partial chunks of the log, cut to the bytes in their files. */
function findPartial(folder: Directory, log: CheckpointLog, transfer: IncomingTransfer): Map<number, number> {
  const partialChunks = new Map<number, number>();
  for (const [chunk, claimed] of log.partialChunks) {
    if (chunk >= transfer.layout.chunkCount) continue;
    const { fileName, fileOffset, lengthBytes } = chunkPlace(transfer, chunk);
    const thereBytes = sizeOf(folder, fileName) - fileOffset;
    const bytes = Math.min(claimed, lengthBytes, thereBytes);
    if (bytes > 0) partialChunks.set(chunk, bytes);
  }
  return partialChunks;
}

function sizeOf(folder: Directory, name: string): number {
  try {
    const stat = lstatSync(folder.at(name));
    return stat.isFile() ? stat.size : 0;
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return 0;
    throw storageError(error, `looking at staged data "${printable(folder.show(name))}"`);
  }
}
