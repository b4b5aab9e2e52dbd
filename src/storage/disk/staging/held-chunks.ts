/** The first bytes of chunks that are not whole: what is there now, and what the journal claims of it. */
import { lstatSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError, systemCodeOf } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import type { CheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import { MAX_HELD_CHUNKS } from '../../../checkpoint/checkpoint-records.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { chunkPlace } from './staged-names.ts';

/** First bytes of a chunk that a sync point is to cover. */
export interface HeldChunk {
  readonly chunk: number;
  readonly bytes: number;
  /** The staged file that they are in. */
  readonly fileName: string;
}

/** What is held of the chunks of one transfer. */
export class HeldChunks {
  readonly #transfer: IncomingTransfer;
  readonly #log: CheckpointLog;
  readonly #bytes: Map<number, number>;
  /** What the running sync point may claim. */
  #claiming: ReadonlyMap<number, number> = new Map();

  /** Begins with what the log claims, as far as it is in the open staging folder. @throws CairnError, storage codes */
  constructor(folder: Directory, log: CheckpointLog, transfer: IncomingTransfer) {
    this.#transfer = transfer;
    this.#log = log;
    this.#bytes = findHeld(folder, log, transfer);
  }

  /** How many bytes are there, by chunk; changes as this does. */
  get bytes(): ReadonlyMap<number, number> {
    return this.#bytes;
  }

  /** So many bytes of a chunk are there now. */
  set(chunk: number, bytes: number): void {
    this.#bytes.set(chunk, bytes);
  }

  /** Only the first `offset` bytes of a chunk count from now on, if there are so many. */
  shorten(chunk: number, offset: number): void {
    const bytes = Math.min(this.#bytes.get(chunk) ?? 0, offset);
    if (bytes > 0) this.#bytes.set(chunk, bytes);
    else this.#bytes.delete(chunk);
  }

  /** First bytes of a chunk that are in a file whose sync failed may be gone, too. */
  deleteIn(fileName: string): void {
    for (const chunk of this.#bytes.keys()) {
      if (chunkPlace(this.#transfer, chunk).fileName === fileName) this.#bytes.delete(chunk);
    }
  }

  /** What a sync point that begins now may claim: all of it was written before. Tell {@link endClaiming} its end. */
  beginClaiming(): HeldChunk[] {
    // A sender that begins more than it has on its way sends again the part of it that is lost.
    const claims = [...this.#bytes].filter(([, bytes]) => bytes > 0).slice(0, MAX_HELD_CHUNKS);
    this.#claiming = new Map(claims);
    return claims.map(([chunk, bytes]) => {
      const { fileName } = chunkPlace(this.#transfer, chunk);
      return { chunk, bytes, fileName };
    });
  }

  /** The sync point is over: what it claims is in the log. */
  endClaiming(): void {
    this.#claiming = new Map();
  }

  /**
   * Refuses to go on where the bytes do not end. A writer that has just been cut off may have come further than the one
   * that took over was told.
   *
   * @throws CairnError `chunk-offset-mismatch`
   */
  checkOffset(chunk: number, offset: number, tookOver: boolean): void {
    const heldBytes = this.#bytes.get(chunk) ?? 0;
    if (offset === 0 || offset === heldBytes || (tookOver && offset > 0 && offset < heldBytes)) return;
    throw new CairnError('chunk-offset-mismatch', `chunk ${chunk} goes on at byte ${heldBytes}`, {
      details: { chunk, heldBytes },
    });
  }

  /** Whether a claim stands, or is about to, for bytes of a chunk at or behind `offset`. */
  isClaimedFrom(chunk: number, offset: number): boolean {
    return [this.#log.held, this.#claiming].some((claims) => (claims.get(chunk) ?? 0) > offset);
  }

  /**
   * No claim stands for bytes from `offset` on after this: others take their place, or they are known to be wrong. Not
   * while a sync point is being made.
   *
   * @throws CairnError with a storage code
   */
  async withdraw(chunk: number, offset: number): Promise<void> {
    this.shorten(chunk, offset);
    if (this.isClaimedFrom(chunk, offset)) await this.#log.append({ forget: [chunk] });
  }
}

/** What the log claims, less what is not there: a claim is only as good as the file that it is about. */
function findHeld(folder: Directory, log: CheckpointLog, transfer: IncomingTransfer): Map<number, number> {
  const held = new Map<number, number>();
  for (const [chunk, claimed] of log.held) {
    if (chunk >= transfer.layout.chunkCount) continue;
    const { fileName, fileOffset, lengthBytes } = chunkPlace(transfer, chunk);
    const thereBytes = sizeOf(folder, fileName) - fileOffset;
    const bytes = Math.min(claimed, lengthBytes, thereBytes);
    if (bytes > 0) held.set(chunk, bytes);
  }
  return held;
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
