/**
 * Finds the parts of changed files that have to be carried: it compares the blocks of each with those of the older version
 * at the target, and of blocks that one side alone has the grains. Two requests do for all files.
 */
import { CairnError } from '../../base/errors.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Assembly } from '../../manifest/assembly.ts';
import { carriedRanges, copiedRanges } from '../../manifest/compare-recipe.ts';
import { decodeGrains, decodeRecipe } from '../../manifest/cut-codec.ts';
import { createCutIndex, placesFrom } from '../../manifest/cut-index.ts';
import { BLOCK_ID_BYTES } from '../../manifest/cut-ids.ts';
import type { CutList } from '../../manifest/cut-list.ts';
import { GRAIN_BYTES } from '../../manifest/gear2.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import {
  copiedBytesOf,
  MAX_RANGES,
  partsId,
  PARTS_FILE_BYTES,
  type Parts,
} from '../../manifest/parts-document.ts';
import type { Recipe } from '../../manifest/recipe.ts';
import { sourceCodeOf } from '../../transfer/excluded-entries.ts';
import type { Plan } from '../../wire/messages.ts';
import { getBlocks, getGrains, getParts, putParts } from '../session/cut-calls.ts';
import type { PartsPlan } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import type { PlanOptions } from '../transfer/comparing.ts';
import { createFileCutter, type FileCutter } from './cut-files.ts';

/** Files with less in common are carried whole, in bytes. */
const LEAST_COPIED_BYTES = 256 * 1024;
/** Most grains of all files in memory. */
const MAX_GRAINS = 2 ** 20;

/** What a comparison works with. */
export type PartsOptions = Pick<PlanOptions, 'context' | 'session' | 'manifest' | 'comparison' | 'locate'>;

/** The blocks of a file, and of its older version. */
interface Compared {
  readonly entry: number;
  readonly recipe: Recipe;
  readonly checks: Recipe;
  readonly old: CutList;
  readonly oldPlaces: Float64Array;
  /** Where each block of the new file is in the old one; -1 where it is not. */
  readonly places: Float64Array;
  /** The numbers of blocks that are to be compared by grains: of the new file, and of the old one. */
  readonly refined: { readonly own: readonly number[]; readonly old: readonly number[] };
}

/** Adds to a plan the parts of changed files, and tells the server; the plan as it is where nothing is in common. */
export async function withParts(options: PartsOptions, plan: Plan): Promise<PartsPlan> {
  const { session, context } = options;
  const entries = olderFiles(options, plan);
  if (entries.size === 0) return plan;
  const assemblies = await session.keepingLease(() => findParts(options, entries));
  context.retrier.progressed();
  if (assemblies.size === 0) return plan;
  await session.run((at) => putParts(at, assemblies));
  return { ...plan, parts: partsId(assemblies), assemblies };
}

/** A plan of the server, with its parts. @throws CairnError `digest-mismatch` where the server has other ones */
export async function withPartsOfServer(
  session: SessionClient,
  manifest: Manifest,
  plan: Plan,
): Promise<PartsPlan> {
  if (plan.parts === undefined) return plan;
  const assemblies = await session.run((at) => getParts(at, manifest));
  if (partsId(assemblies) === plan.parts) return { ...plan, assemblies };
  throw new CairnError('digest-mismatch', 'the server has other parts than those of the plan');
}

/** The files to compare: those with an older version, as far as all together fit into memory. */
function olderFiles({ manifest: { entries }, comparison }: PartsOptions, plan: Plan): ChunkSet {
  const older = ChunkSet.fromRuns(comparison.older ?? [], entries.length);
  const have = ChunkSet.fromRuns(plan.have, entries.length);
  const wanted = new ChunkSet();
  let leftBytes: number = PARTS_FILE_BYTES.max;
  for (const index of older.values()) {
    const sizeBytes = entries.sizeOf(index);
    const isFile = entries.typeOf(index) === 'file' && sizeBytes >= PARTS_FILE_BYTES.min;
    if (!isFile || have.has(index) || sizeBytes > leftBytes) continue;
    leftBytes -= sizeBytes;
    wanted.add(index);
  }
  return wanted;
}

async function findParts(options: PartsOptions, entries: ChunkSet): Promise<Parts> {
  const { context, session, manifest } = options;
  const cutter = await createFileCutter(manifest.digest, context.signal);
  // Each side cuts its files while the other does.
  const [there, own] = await Promise.all([
    session.run((at) => getBlocks(at, entries)),
    cutAll(options, cutter, entries),
  ]);
  const budget = { grains: MAX_GRAINS };
  const compared: Compared[] = [];
  for (const [entry, cuts] of own) {
    const bytes = there.get(entry);
    if (bytes === undefined) continue;
    compared.push(compareBlocks(entry, cuts, oldBlocks(bytes, BLOCK_ID_BYTES[manifest.digest]), budget));
  }
  const wanted = compared
    .filter(({ refined }) => refined.old.length > 0)
    .map(({ entry, old, oldPlaces, refined }) => ({ entry, blocks: rangesOf(old, oldPlaces, refined.old) }));
  const grains =
    wanted.length === 0 ? new Map<number, Buffer>() : await session.run((at) => getGrains(at, wanted));
  const parts = new Map<number, Assembly>();
  let rangesLeft = MAX_RANGES;
  for (const one of compared) {
    const assembly = await assemblyOf(options, cutter, one, grains.get(one.entry));
    const ranges = assembly === undefined ? 0 : assembly.carried.length / 2 + assembly.copied.length / 3;
    if (assembly === undefined || ranges > rangesLeft || copiedBytesOf(assembly) < LEAST_COPIED_BYTES)
      continue;
    rangesLeft -= ranges;
    parts.set(one.entry, assembly);
  }
  return parts;
}

type Cuts = Awaited<ReturnType<FileCutter['cut']>>;

/** Cuts all files; one that cannot be read is carried whole, and named then. */
async function cutAll(
  { manifest, locate }: PartsOptions,
  cutter: FileCutter,
  entries: ChunkSet,
): Promise<Map<number, Cuts>> {
  const own = new Map<number, Cuts>();
  for (const index of entries.values()) {
    const cuts = await unlessUnreadable(() => cutter.cut(locate(index), manifest.entries.sizeOf(index)));
    if (cuts !== undefined) own.set(index, cuts);
  }
  return own;
}

async function unlessUnreadable<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
  try {
    return await read();
  } catch (error) {
    if (sourceCodeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** The blocks of an old file, whose size they tell. @throws CairnError `invalid-request` */
function oldBlocks(bytes: Buffer, idBytes: number): CutList {
  let sizeBytes = 0;
  for (let at = 0; at + 3 <= bytes.byteLength; at += 3 + idBytes) sizeBytes += bytes.readUIntBE(at, 3);
  return decodeRecipe(bytes, sizeBytes, idBytes).blocks;
}

function compareBlocks(
  entry: number,
  { recipe, checks }: Cuts,
  old: CutList,
  budget: { grains: number },
): Compared {
  const oldPlaces = placesFrom(old, 0);
  const places = createCutIndex(old, oldPlaces).placesOf(recipe.blocks);
  const oldFound = createCutIndex(recipe.blocks, placesFrom(recipe.blocks, 0)).placesOf(old);
  const refined = {
    own: missingBlocks(recipe.blocks, places, budget),
    old: missingBlocks(old, oldFound, budget),
  };
  return { entry, recipe, checks, old, oldPlaces, places, refined };
}

/** The numbers of the blocks that are not there, as far as their grains have room. */
function missingBlocks(list: CutList, places: Float64Array, budget: { grains: number }): number[] {
  const missing: number[] = [];
  for (let index = 0; index < list.count; index += 1) {
    if (places[index]! >= 0) continue;
    const most = Math.ceil(list.lengths[index]! / (2 * GRAIN_BYTES.min));
    if (most > budget.grains) break;
    budget.grains -= most;
    missing.push(index);
  }
  return missing;
}

function rangesOf(
  list: CutList,
  places: Float64Array,
  numbers: readonly number[],
): { offset: number; lengthBytes: number }[] {
  return numbers.map((index) => ({ offset: places[index]!, lengthBytes: list.lengths[index]! }));
}

async function assemblyOf(
  { locate }: PartsOptions,
  cutter: FileCutter,
  { entry, recipe, checks, old, oldPlaces, places, refined }: Compared,
  theirs: Buffer | undefined,
): Promise<Assembly | undefined> {
  const made = (grains?: Parameters<typeof carriedRanges>[2]): Assembly => ({
    recipe: checks,
    carried: carriedRanges(recipe, places, grains),
    copied: copiedRanges(recipe, places, grains),
  });
  if (theirs === undefined || theirs.byteLength === 0 || refined.own.length === 0) return made();
  const there = rangesOf(old, oldPlaces, refined.old);
  const oldGrains = grainsOfBlocks(theirs, there);
  if (oldGrains === undefined) return made();
  const blocks = rangesOf(recipe.blocks, placesFrom(recipe.blocks, 0), refined.own);
  const grains = await unlessUnreadable(() => cutter.grainsOf(locate(entry), blocks));
  if (grains === undefined) return undefined;
  const found = createCutIndex(oldGrains, grainPlaces(oldGrains, there)).placesOf(grains);
  return made({ blocks: refined.own, grains, places: found });
}

/** The grains of the old blocks; undefined where the old file has changed since, so that it has other ones. */
function grainsOfBlocks(
  records: Buffer,
  blocks: readonly { readonly lengthBytes: number }[],
): CutList | undefined {
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

/** Where the grains of some blocks lie in their file. */
function grainPlaces(
  grains: CutList,
  blocks: readonly { readonly offset: number; readonly lengthBytes: number }[],
): Float64Array {
  const places = new Float64Array(grains.count);
  let grain = 0;
  for (const { offset, lengthBytes } of blocks) {
    for (let at = offset; at < offset + lengthBytes; grain += 1) {
      places[grain] = at;
      at += grains.lengths[grain]!;
    }
  }
  return places;
}
