/**
 * Cuts small files out of their packed chunks while more chunks come, which publishing would otherwise do at the end. What
 * lies there early is nothing that anybody relies on: it is not durable, and the next opening of the chunks makes it again.
 */
import { unlinkSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Directory } from '../../../base/directory.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { createBreather } from '../../../base/breather.ts';
import type { PreparedFiles } from './publication.ts';
import { PackedChunks } from './packed-chunks.ts';
import { type PreparePlace, prepareSmall } from './prepare-entry.ts';
import { firstEntryOf, isLarge, preparedName } from '../staging/staged-names.ts';

/** What of one transfer may lie there early: it takes room beside the chunks that it was cut out of. */
const MAX_FILES = 65_536;
const MAX_BYTES = 256 * 1024 * 1024;
/** What has to be free beside the whole transfer, in bytes: chunks must never want for room because of this. */
const KEEP_FREE_BYTES = 1024 ** 3;
/** Chunks that arrive wait for it, in milliseconds. */
const MAX_BUSY_MS = 3;

/** What was cut out of a chunk: its entries in order, up to this one. */
interface Cut {
  upTo: number;
}

/** The files that are prepared while one transfer comes in. */
export class PreparedAhead {
  readonly #place: PreparePlace;
  readonly #transfer: IncomingTransfer;
  #cuts = new Map<number, Cut>();
  #waiting: number[] = [];
  #running: Promise<void> | undefined;
  #folder: Directory | undefined;
  #files = 0;
  #bytes = 0;
  #isOver: boolean;

  /** Borrows the folder in `place`. Without syncfs each file has to stay open until it is synced: nothing is done then. */
  constructor(place: PreparePlace, transfer: IncomingTransfer) {
    this.#place = place;
    this.#transfer = transfer;
    this.#isOver = place.syncFileSystem === undefined;
  }

  /** A chunk is whole, and its digest agreed. What was made of bytes that it had before counts no longer. */
  add(chunk: number): void {
    this.forget(chunk);
    if (this.#isOver || isLarge(this.#transfer, firstEntryOf(this.#transfer, chunk))) return;
    this.#cuts.set(chunk, { upTo: -1 });
    this.#waiting.push(chunk);
    this.#running ??= this.#run();
  }

  /** The chunk is about to have other bytes. */
  forget(chunk: number): void {
    this.#cuts.delete(chunk);
  }

  /** Ends the work and hands over what it has made; the caller closes the folder. Undefined where that is nothing. */
  take(): PreparedFiles | undefined {
    this.#isOver = true;
    const folder = this.#folder;
    this.#folder = undefined;
    if (folder === undefined) return undefined;
    const cuts = this.#cuts;
    this.#cuts = new Map();
    const { layout } = this.#transfer;
    return {
      folder,
      has: (entryIndex) => {
        const { first, count } = layout.chunksOf(entryIndex);
        return count === 1 && entryIndex <= (cuts.get(first)?.upTo ?? -1);
      },
    };
  }

  /** Ends the work, and removes what was made and not taken. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    await this.#remove();
  }

  async #run(): Promise<void> {
    const packed = new PackedChunks({ ...this.#place, ...this.#transfer });
    const breathe = createBreather(MAX_BUSY_MS);
    try {
      // The sender of the chunk gets its answer first.
      await nextTurn();
      this.#folder ??= this.#place.folder.reopen();
      for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
        await this.#cutOut(packed, chunk, breathe);
        packed.close(); // it may have other bytes the next time
      }
    } catch {
      // Publishing does it again, when the room may be there that is missing now, and tells what is in the way.
      this.#isOver = true;
      await this.#remove();
    } finally {
      packed.close();
      this.#running = undefined;
    }
  }

  async #cutOut(
    packed: PackedChunks,
    chunk: number,
    breathe: () => Promise<void> | undefined,
  ): Promise<void> {
    const { layout, manifest } = this.#transfer;
    const cut = this.#cuts.get(chunk);
    if (this.#isOver || cut === undefined || !this.#hasRoom()) return;
    for (const { entryIndex, lengthBytes } of layout.segmentsOf(chunk)) {
      if (this.#isOver || this.#cuts.get(chunk) !== cut || this.#files >= MAX_FILES) return;
      prepareSmall(this.#place, packed, entryIndex, manifest.entries.at(entryIndex)!);
      cut.upTo = entryIndex;
      this.#files += 1;
      this.#bytes += lengthBytes;
      await breathe();
    }
  }

  #hasRoom(): boolean {
    const { bytesTotal = Infinity } = this.#transfer.layout;
    if (this.#bytes >= MAX_BYTES) return false;
    return this.#place.folder.space().freeBytes >= bytesTotal + KEEP_FREE_BYTES;
  }

  async #remove(): Promise<void> {
    const breathe = createBreather(MAX_BUSY_MS);
    const { layout } = this.#transfer;
    try {
      for (const [chunk, { upTo }] of this.#cuts) {
        for (const { entryIndex } of layout.segmentsOf(chunk)) {
          if (entryIndex > upTo) break;
          unlinkSync(this.#place.folder.at(preparedName(entryIndex)));
          await breathe();
        }
      }
    } catch {
      // What is left of it goes with the staging area.
    }
    this.#cuts.clear();
    this.#folder?.close();
    this.#folder = undefined;
  }
}
