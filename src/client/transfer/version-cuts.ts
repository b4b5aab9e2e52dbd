/** The blocks and grains of both versions of files: of those on this machine, and of those at the server. */
import type { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { CairnError } from '../../base/errors.ts';
import { decodeGrains, decodeRecipe, maxRecipeBytes } from '../../manifest/cut-codec.ts';
import { BLOCK_ID_BYTES, type CutIds, loadCutIds } from '../../manifest/cut-ids.ts';
import type { CutList } from '../../manifest/cut-list.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import { checksOf } from '../../manifest/file-checks.ts';
import { areEnough, createCutsMaker, type CutsMaking } from '../../manifest/file-cuts-maker.ts';
import type { CutGuide } from '../../manifest/cut-guide.ts';
import { cutGuided } from '../../manifest/guided-cuts.ts';
import { createCutter, type Cutter } from '../../manifest/gear2.ts';
import { checkLengths, mayHaveParts } from '../../manifest/parts-document.ts';
import type { Cuts, CutSubject } from '../../manifest/kept-cuts-format.ts';
import { readBlocks, type RangeReader } from '../../manifest/read-blocks.ts';
import { addGrains, createGrainList } from '../../manifest/recipe.ts';
import { sourceCodeOf } from '../../transfer/excluded-entries.ts';
import type { KeptCuts } from '../../storage/state/kept-cuts.ts';
import type { BlockLine } from '../../wire/block-lines.ts';
import { getBlocks, getGrains } from '../session/cut-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { LocalFile } from './comparing.ts';
import type { CutGuides } from './cut-guides.ts';

/** Cuts the files of one side. A file that cannot be read, or is another by now, is missing from the answers. */
export interface VersionCuts {
  blocksOf(entries: ChunkSet): Promise<ReadonlyMap<number, Cuts>>;
  /** The grains of some blocks of files, in order. */
  grainsOf(wanted: readonly BlockLine[]): Promise<ReadonlyMap<number, CutList>>;
}

/** A file on this machine, and its size in bytes. */
export type FoundFile = LocalFile & { readonly sizeBytes: number };

/** The files on this machine. */
export interface LocalFiles {
  readonly digest: DigestAlgorithm;
  readonly signal: AbortSignal;
  /** Whether they are the newer versions, whose checks are wanted. */
  readonly areNewer: boolean;
  /** Recipes of earlier runs. */
  readonly kept?: Pick<KeptCuts, 'find' | 'keep'> | undefined;
  /** The other versions, as they are told meanwhile. */
  readonly guides?: CutGuides | undefined;
  /** A file and its size in bytes; undefined where there is none by now. */
  readonly find: (entryIndex: number) => Promise<FoundFile | undefined>;
}

/** Makes what cuts files on this machine, one after the other. */
export async function localCuts({
  digest,
  signal,
  areNewer,
  kept,
  guides,
  find,
}: LocalFiles): Promise<VersionCuts> {
  const ids = await loadCutIds(digest);
  const cutter = createCutter();
  /** One reading of a file; `undefined` where it cannot be read. */
  const ofReadable = async <Result>(
    entry: number,
    cut: (read: RangeReader, file: FoundFile) => Promise<Result>,
  ): Promise<Result | undefined> => {
    try {
      const file = await find(entry);
      return file && (await cut(readerOf(file, signal), file));
    } catch (error) {
      if (sourceCodeOf(error) === undefined) throw error;
      return undefined;
    }
  };
  return {
    blocksOf: async (entries) => {
      const all = new Map<number, Cuts>();
      for (const entry of entries.values()) {
        const cuts = await ofReadable(entry, (read, { identity, sizeBytes }) =>
          unlessKept(kept, { name: identity, digest, sizeBytes }, areNewer, () =>
            cutFile({ cutter, ids, withChecks: areNewer }, read, sizeBytes, guides?.guideOf(entry)),
          ),
        );
        guides?.drop(entry);
        if (cuts !== undefined) all.set(entry, cuts);
      }
      return all;
    },
    grainsOf: async (wanted) => {
      const all = new Map<number, CutList>();
      for (const { entry, blocks } of wanted) {
        const grains = await ofReadable(entry, (read) => cutBlocks({ cutter, ids }, read, blocks));
        if (grains !== undefined) all.set(entry, grains);
      }
      return all;
    },
  };
}

/** The cuts of a file with this identity as they were kept, or else as they are made, and kept. */
async function unlessKept(
  kept: LocalFiles['kept'],
  { name, ...of }: Omit<CutSubject, 'name'> & { readonly name: string | undefined },
  withChecks: boolean,
  cut: () => Promise<Cuts>,
): Promise<Cuts> {
  if (kept === undefined || name === undefined) return cut();
  const subject = { name, ...of };
  const before = await kept.find(subject);
  if (areEnough(before, withChecks)) return before;
  const cuts = await cut();
  await kept.keep(subject, cuts);
  return cuts;
}

function readerOf({ store, path, identity }: LocalFile, signal: AbortSignal): RangeReader {
  return async function* read(from, to) {
    for await (const piece of store.read(path, { from, to }, identity)) {
      signal.throwIfAborted();
      yield piece;
    }
  };
}

async function cutFile(
  making: CutsMaking,
  read: RangeReader,
  sizeBytes: number,
  guide: CutGuide | undefined,
): Promise<Cuts> {
  if (guide !== undefined && mayHaveParts(sizeBytes))
    return cutGuided(making, sizeBytes, guide, read(0, sizeBytes));
  const maker = createCutsMaker(making, sizeBytes);
  for await (const piece of read(0, sizeBytes)) maker.update(piece);
  return maker.finish();
}

async function cutBlocks(
  { cutter, ids }: { cutter: Cutter; ids: CutIds },
  read: RangeReader,
  blocks: BlockLine['blocks'],
): Promise<CutList> {
  const grains = createGrainList();
  for await (const block of readBlocks(read, blocks)) addGrains(grains, cutter, ids, block);
  return grains.finish();
}

/** The files at the server. */
export interface RemoteFiles {
  readonly session: SessionClient;
  readonly digest: DigestAlgorithm;
  /** Of newer versions their sizes in bytes, which the manifest names; undefined for older versions. */
  readonly sizeOf?: ((entryIndex: number) => number) | undefined;
  /** What guides the cutting on this machine. */
  readonly guides?: CutGuides | undefined;
}

/** Makes what asks the server, with one request for all files. What it answers is checked. */
export function remoteCuts({ session, digest, sizeOf, guides }: RemoteFiles): VersionCuts {
  const idBytes = BLOCK_ID_BYTES[digest];
  const decode = (entry: number, records: Buffer): Cuts | undefined =>
    sizeOf === undefined
      ? { recipe: decodeRecipe(records, sizeIn(records, idBytes), idBytes) }
      : decodeNewer(records, sizeOf(entry), idBytes);
  return {
    blocksOf: async (entries) => {
      const asked = session.run((at) => getBlocks(at, entries, guides?.take));
      const records = await asked.finally(() => guides?.end());
      const all = new Map<number, Cuts>();
      for (const [entry, bytes] of records) {
        const cuts = decode(entry, bytes);
        if (cuts !== undefined) all.set(entry, cuts);
      }
      return all;
    },
    grainsOf: async (wanted) => {
      const records = await session.run((at) => getGrains(at, wanted));
      const all = new Map<number, CutList>();
      for (const { entry, blocks } of wanted) {
        const grains = grainsOfBlocks(records.get(entry) ?? Buffer.alloc(0), blocks);
        if (grains !== undefined) all.set(entry, grains);
      }
      return all;
    },
  };
}

/** The bytes of a file, by the lengths of its blocks, as far as those are wanted. */
function sizeIn(records: Buffer, idBytes: number, wantedBytes = Infinity): number {
  let sizeBytes = 0;
  for (let at = 0; at + 3 <= records.byteLength && sizeBytes < wantedBytes; at += 3 + idBytes)
    sizeBytes += records.readUIntBE(at, 3);
  return sizeBytes;
}

/** The blocks of a newer file, and behind them its checks. @throws CairnError `invalid-request` */
function decodeNewer(records: Buffer, sizeBytes: number, idBytes: number): Cuts | undefined {
  const checksBytes = checkLengths(sizeBytes).length * idBytes;
  const blocksBytes = records.byteLength - checksBytes;
  // It was cut short where the file could not be read to its end.
  if (blocksBytes <= 0 || blocksBytes > maxRecipeBytes(sizeBytes, idBytes)) return undefined;
  if (sizeIn(records, idBytes, sizeBytes) < sizeBytes) return undefined;
  const checks = checksOf(records.subarray(blocksBytes), sizeBytes, idBytes);
  return { recipe: decodeRecipe(records.subarray(0, blocksBytes), sizeBytes, idBytes), checks };
}

/** The grains of blocks; undefined where the file has changed since, so that it has other ones. */
function grainsOfBlocks(records: Buffer, blocks: BlockLine['blocks']): CutList | undefined {
  try {
    return decodeGrains(
      records,
      blocks.map(({ lengthBytes }) => lengthBytes),
    );
  } catch (error) {
    if (error instanceof CairnError && error.code === 'invalid-request') return undefined;
    throw error;
  }
}
