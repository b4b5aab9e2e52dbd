/**
 * Cuts small files out of their packed chunks while more chunks arrive, work that publishing would otherwise do at the
 * end. No code relies on these files: they are not durable, and the next opening of the chunks makes them again.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Directory } from '../../../base/directory.ts';
import { removeTree } from '../../../base/remove-tree.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import { createBreather } from '../../../base/breather.ts';
import { openNewTrees } from './find-new-trees.ts';
import type { PreparedFiles, PublishJob } from './publication.ts';
import { PackedChunks } from './packed-chunks.ts';
import { type PreparePlace, prepareSmall } from './prepare-entry.ts';
import type { NewTrees } from '../staging/new-trees.ts';
import { firstEntryOf, preparedName, treeName } from '../staging/staged-names.ts';

/** Most files of one transfer that are prepared early: they take room beside the chunks that contain them. */
const MAX_FILES = 65_536;
const MAX_BYTES = 256 * 1024 * 1024;
/** Free bytes to keep beside the whole transfer: chunks must never lack room because of this. */
const KEEP_FREE_BYTES = 1024 ** 3;
/** The event loop is blocked at most so long, in milliseconds, because arriving chunks wait. */
const MAX_BUSY_MS = 3;

/** The work done for one chunk: its entries in order, up to this one. */
interface Cut {
  upTo: number;
}

/** Where files are prepared, and the place that their trees are for. */
type AheadPlace = PreparePlace & Pick<PublishJob, 'root' | 'native'>;

/** Prepares files while one transfer arrives. */
export class PreparedAhead {
  readonly #place: AheadPlace;
  readonly #transfer: IncomingTransfer;
  #cuts = new Map<number, Cut>();
  #waiting: number[] = [];
  #running: Promise<void> | undefined;
  #folder: Directory | undefined;
  #trees: NewTrees | undefined;
  #files = 0;
  #bytes = 0;
  #isOver: boolean;

  /** Borrows the folder in `place`. Without syncfs, which lets files close before their sync, it prepares none. */
  constructor(place: AheadPlace, transfer: IncomingTransfer) {
    this.#place = place;
    this.#transfer = transfer;
    this.#isOver = place.syncFileSystem === undefined;
  }

  /** A chunk is whole, and its digest agreed. Files made of its earlier bytes no longer count. */
  add(chunk: number): void {
    this.forget(chunk);
    if (this.#isOver || this.#transfer.layout.isLarge(firstEntryOf(this.#transfer, chunk))) return;
    this.#cuts.set(chunk, { upTo: -1 });
    this.#waiting.push(chunk);
    this.#running ??= this.#run();
  }

  /** The chunk is about to get other bytes. */
  forget(chunk: number): void {
    this.#cuts.delete(chunk);
  }

  /** Ends the work and hands over its files, or undefined where it has none; the caller closes the folder. */
  take(): PreparedFiles | undefined {
    this.#isOver = true;
    const folder = this.#folder;
    const trees = this.#trees;
    this.#folder = undefined;
    this.#trees = undefined;
    if (folder === undefined || trees === undefined) {
      folder?.close();
      return undefined;
    }
    const cuts = this.#cuts;
    this.#cuts = new Map();
    const { layout, assemblies } = this.#transfer;
    return {
      folder,
      trees,
      has: (entryIndex) => {
        const { first, count } = layout.chunksOf(entryIndex);
        if (count !== 1 || assemblies?.has(entryIndex) === true) return false;
        return entryIndex <= (cuts.get(first)?.upTo ?? -1);
      },
    };
  }

  /** Ends the work, and removes files that {@link take} did not hand over. */
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
      const place = { ...this.#place, folder: this.#folder };
      this.#trees ??= await openNewTrees(place, this.#transfer, () => false, breathe);
      for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
        await this.#cutOut(packed, chunk, breathe);
        packed.close(); // it may have other bytes the next time
      }
    } catch {
      // Publishing tries again, perhaps with more room, and reports the obstacle.
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
    const { layout, manifest, assemblies } = this.#transfer;
    const trees = this.#trees!;
    const cut = this.#cuts.get(chunk);
    if (this.#isOver || cut === undefined || !this.#hasRoom()) return;
    for (const { entryIndex, lengthBytes } of layout.segmentsOf(chunk)) {
      if (this.#isOver || this.#cuts.get(chunk) !== cut || this.#files >= MAX_FILES) return;
      // Of such a file only parts are in the chunk.
      if (assemblies?.has(entryIndex) === true) continue;
      const entry = manifest.entries.at(entryIndex)!;
      const tree = trees.of(entryIndex);
      const at = tree === undefined ? undefined : trees.placeOf(tree, entry.path);
      prepareSmall(this.#place, packed, entryIndex, entry, at);
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
    const { layout, assemblies } = this.#transfer;
    const trees = this.#trees;
    try {
      trees?.close();
      for (const { first } of trees?.list() ?? []) await removeTree(this.#place.folder.at(treeName(first)));
      for (const [chunk, { upTo }] of this.#cuts) {
        for (const { entryIndex } of layout.segmentsOf(chunk)) {
          if (entryIndex > upTo) break;
          if (assemblies?.has(entryIndex) === true || trees?.of(entryIndex) !== undefined) continue;
          this.#place.folder.removeFile(preparedName(entryIndex));
          await breathe();
        }
      }
    } catch {
      // The removal of the staging area removes a leftover.
    }
    this.#cuts.clear();
    this.#trees = undefined;
    this.#folder?.close();
    this.#folder = undefined;
  }
}
