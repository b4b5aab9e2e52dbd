/** Cuts files into blocks and grains for a client that compares: the older ones at the target of a push, the sources of a pull. */
import { joinPath } from '../../../base/safe-path.ts';
import { encodeBlocks, encodeGrains } from '../../../manifest/cut-codec.ts';
import { type CutIds, loadCutIds } from '../../../manifest/cut-ids.ts';
import { areEnough, createCutsMaker } from '../../../manifest/file-cuts-maker.ts';
import { createCutter, type Cutter } from '../../../manifest/gear2.ts';
import { mayHaveParts } from '../../../manifest/parts-document.ts';
import { type BlockRange, type RangeReader, readBlocks } from '../../../manifest/read-blocks.ts';
import { addGrains, createGrainList } from '../../../manifest/recipe.ts';
import type { Identity } from '../../../manifest/entry.ts';
import { bringsBytes } from '../../../session/pass-record.ts';
import type { Cuts } from '../../../manifest/kept-cuts-format.ts';
import type { ContentStore } from '../../../storage/content-store.ts';
import type { KeptCuts } from '../../../storage/state/kept-cuts.ts';
import { sourceCodeOf } from '../../../transfer/excluded-entries.ts';
import type { LiveSession } from './live-session.ts';

/** Gives records piece by piece; an empty piece says that the work goes on. */
export type Records = AsyncIterable<Uint8Array>;

/** Cuts the files of one session: those at a target as they are now, sources as they were scanned. One that cannot be read ends early. */
export interface FileCuts {
  /** Of a source with its checks behind them. */
  blocksOf(index: number): Records;
  /** The grains of some blocks. */
  grainsOf(index: number, blocks: readonly BlockRange[]): Records;
}

/** The source of the files, and the listener for a file that could not be cut. */
export interface CutSource {
  readonly content: Pick<ContentStore, 'lookup' | 'read'>;
  /** Recipes of earlier requests. */
  readonly kept?: Pick<KeptCuts, 'find' | 'keep'> | undefined;
  readonly onFailure: (index: number, error: unknown) => void;
}

const NOTHING = new Uint8Array();
/** Blocks that are told together while a file is cut, about: those of 4 MiB. The client follows them through its own version. */
const BLOCKS_TOGETHER = 50;
/** Records of grains that are given together, in bytes. */
const BATCH_BYTES = 32 * 1024;

/** Makes what cuts the files of a session. @throws CairnError `manifest-missing`, storage codes */
export async function openFileCuts(
  { content, kept, onFailure }: CutSource,
  live: LiveSession,
): Promise<FileCuts> {
  const { digest } = await live.content.manifest.get();
  const ids = await loadCutIds(digest);
  const cutter = createCutter();
  const areNewer = !bringsBytes(live.record.value.pass);
  const find = await (areNewer ? sourcesOf(live) : oldFilesOf(content, live));

  async function* blocksOf(index: number): AsyncGenerator<Uint8Array> {
    const file = await find(index);
    if (file === undefined) return;
    const { path, sizeBytes, identity } = file;
    const subject = identity === undefined ? undefined : { name: identity, digest, sizeBytes };
    const before = subject && (await kept?.find(subject));
    if (areEnough(before, areNewer)) {
      yield* recordsOf(before, areNewer);
      return;
    }
    const maker = createCutsMaker({ cutter, ids, withChecks: areNewer }, sizeBytes);
    let told = 0;
    for await (const piece of content.read(path, { from: 0, to: sizeBytes }, identity)) {
      maker.update(piece);
      const blocks = maker.blocks();
      const isEnough = blocks.count - told >= BLOCKS_TOGETHER;
      yield isEnough ? encodeBlocks({ blocks }, told) : NOTHING;
      if (isEnough) told = blocks.count;
    }
    const cuts = maker.finish();
    if (subject !== undefined) await kept?.keep(subject, cuts);
    yield* recordsOf(cuts, areNewer, told);
  }
  async function* grainsOf(index: number, blocks: readonly BlockRange[]): AsyncGenerator<Uint8Array> {
    const file = await find(index);
    if (file === undefined) return;
    yield* grainsIn({ content, cutter, ids }, file, blocks);
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

function* recordsOf({ recipe, checks }: Cuts, areNewer: boolean, told = 0): Generator<Uint8Array> {
  yield encodeBlocks(recipe, told);
  if (areNewer && checks !== undefined) yield checks.blocks.ids;
}

/** The records of the grains of some blocks of a file, some at a time. */
async function* grainsIn(
  { content, cutter, ids }: Pick<CutSource, 'content'> & { readonly cutter: Cutter; readonly ids: CutIds },
  { path, sizeBytes, identity }: FoundFile,
  blocks: readonly BlockRange[],
): AsyncGenerator<Uint8Array> {
  let grains = createGrainList();
  let count = 0;
  const inside = [];
  for (const { offset, lengthBytes } of blocks) {
    if (offset >= sizeBytes) break;
    inside.push({ offset, lengthBytes: Math.min(lengthBytes, sizeBytes - offset) });
  }
  const read: RangeReader = (from, to) => content.read(path, { from, to }, identity);
  for await (const block of readBlocks(read, inside)) {
    addGrains(grains, cutter, ids, block);
    count += block.byteLength;
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

/** A file to cut. */
interface FoundFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly identity: Identity | undefined;
}

/** Finds a file by its entry; undefined where there is none of a size that has parts. */
type Find = (index: number) => Promise<FoundFile | undefined>;

async function oldFilesOf(content: CutSource['content'], live: LiveSession): Promise<Find> {
  const { entries } = await live.content.manifest.get();
  const { target } = live.record.value;
  return async (index) => {
    const path = joinPath(target, entries.pathOf(index));
    const [found] = await content.lookup([path]);
    if (found?.entry.type !== 'file' || !mayHaveParts(found.entry.sizeBytes)) return undefined;
    return { path, sizeBytes: found.entry.sizeBytes, identity: found.identity };
  };
}

async function sourcesOf(live: LiveSession): Promise<Find> {
  const { entries } = await live.content.manifest.get();
  const identities = await live.content.identities.get();
  const { target } = live.record.value;
  return async (index) => {
    const sizeBytes = entries.sizeOf(index);
    if (entries.typeOf(index) !== 'file' || !mayHaveParts(sizeBytes)) return undefined;
    return { path: joinPath(target, entries.pathOf(index)), sizeBytes, identity: identities.at(index) };
  };
}
