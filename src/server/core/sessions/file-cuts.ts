/** Cuts files at the target of a push into blocks and grains, so that its client learns which bytes are there. */
import { joinPath } from '../../../base/safe-path.ts';
import { encodeBlocks, encodeGrains } from '../../../manifest/cut-codec.ts';
import { loadCutIds } from '../../../manifest/cut-ids.ts';
import { createCutter } from '../../../manifest/gear2.ts';
import { PARTS_FILE_BYTES } from '../../../manifest/parts-document.ts';
import { addGrains, createGrainList, createRecipeMaker } from '../../../manifest/recipe.ts';
import type { ScannedEntry } from '../../../manifest/entry.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import { sourceCodeOf } from '../../../transfer/excluded-entries.ts';
import type { LiveSession } from './live-session.ts';

/** Gives records piece by piece; an empty piece says that the work goes on. */
export type Records = AsyncIterable<Uint8Array>;

/** A range of a file, in bytes. */
export interface BlockRange {
  readonly offset: number;
  readonly lengthBytes: number;
}

/** Cuts the files of one session as they are now. A file that cannot be read ends early. */
export interface FileCuts {
  blocksOf(index: number): Records;
  /** The grains of some blocks. */
  grainsOf(index: number, blocks: readonly BlockRange[]): Records;
}

/** The source of the files, and the listener for a file that could not be cut. */
export interface CutSource {
  readonly content: Pick<ContentStore, 'lookup' | 'read'>;
  readonly onFailure: (index: number, error: unknown) => void;
}

const NOTHING = new Uint8Array();
/** Records of grains that are given together, in bytes. */
const BATCH_BYTES = 32 * 1024;

/** Makes what cuts the files of a session. @throws CairnError `manifest-missing`, storage codes */
export async function openFileCuts({ content, onFailure }: CutSource, live: LiveSession): Promise<FileCuts> {
  const { target } = live.record.value;
  const { entries, digest } = await live.content.manifest.get();
  const ids = await loadCutIds(digest);
  const cutter = createCutter();

  const find = async (index: number): Promise<{ path: string; found: ScannedEntry } | undefined> => {
    const path = joinPath(target, entries.pathOf(index));
    const [found] = await content.lookup([path]);
    const isLarge = found?.entry.type === 'file' && found.entry.sizeBytes >= PARTS_FILE_BYTES.min;
    return isLarge && found.entry.sizeBytes <= PARTS_FILE_BYTES.max ? { path, found } : undefined;
  };
  async function* blocksOf(index: number): AsyncGenerator<Uint8Array> {
    const there = await find(index);
    if (there === undefined) return;
    const { sizeBytes } = there.found.entry;
    const maker = createRecipeMaker(cutter, ids, sizeBytes);
    for await (const piece of content.read(there.path, { from: 0, to: sizeBytes }, there.found.identity)) {
      maker.update(piece);
      yield NOTHING;
    }
    yield encodeBlocks(maker.finish());
  }
  async function* grainsOf(index: number, blocks: readonly BlockRange[]): AsyncGenerator<Uint8Array> {
    const there = await find(index);
    if (there === undefined) return;
    let grains = createGrainList();
    let count = 0;
    for (const { offset, lengthBytes } of blocks) {
      const range = { from: offset, to: Math.min(offset + lengthBytes, there.found.entry.sizeBytes) };
      const pieces: Uint8Array[] = [];
      if (range.from >= range.to) return;
      for await (const piece of content.read(there.path, range, there.found.identity))
        pieces.push(Buffer.from(piece));
      addGrains(grains, cutter, ids, Buffer.concat(pieces));
      count += lengthBytes;
      if (count < BATCH_BYTES * 64) {
        yield NOTHING;
        continue;
      }
      yield encodeGrains(grains.finish());
      grains = createGrainList();
      count = 0;
    }
    yield encodeGrains(grains.finish());
  }
  async function* untilUnreadable(index: number, records: Records): Records {
    try {
      yield* records;
    } catch (error) {
      // The client takes what it got for nothing; only an error that says nothing about the file fails the request.
      if (sourceCodeOf(error) === undefined) throw error;
      onFailure(index, error);
    }
  }
  return {
    blocksOf: (index) => untilUnreadable(index, blocksOf(index)),
    grainsOf: (index, blocks) => untilUnreadable(index, grainsOf(index, blocks)),
  };
}
