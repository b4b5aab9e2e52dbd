/** What a delta of two files would carry, computed by the code that both sides share, and checked by assembling the file. */
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { rangesInOrder, sumOfRanges, type Assembly } from '../../../src/manifest/assembly.ts';
import { carriedRanges, copiedRanges, type ComparedGrains } from '../../../src/manifest/compare-recipe.ts';
import { encodeBlocks, encodeGrains } from '../../../src/manifest/cut-codec.ts';
import { loadCutIds, type CutIds } from '../../../src/manifest/cut-ids.ts';
import { createCutIndex, placesFrom } from '../../../src/manifest/cut-index.ts';
import type { CutList } from '../../../src/manifest/cut-list.ts';
import { createCutter } from '../../../src/manifest/gear2.ts';
import { addGrains, createGrainList, createRecipeMaker, type Recipe } from '../../../src/manifest/recipe.ts';
import { MIB } from '../data.ts';

/** What crosses, in bytes, and what it costs. */
export interface Crossing {
  /** Bytes of the file. */
  readonly carried: number;
  /** The recipe, and the ids of grains. */
  readonly ids: number;
  /** One bit for each block and grain that was asked for. */
  readonly answers: number;
  /** Seconds of CPU to read the new file, to cut it and to name its blocks. */
  readonly cutCpuS: number;
}

const cutter = createCutter();
const buffer = Buffer.alloc(MIB);

/** Compares two files as both sides would. @throws Error where what they have between them is not the new file */
export async function crossingOf(olderFile: string, newerFile: string): Promise<Crossing> {
  const ids = await loadCutIds('xxh64');
  const older = openSync(olderFile, 'r');
  const newer = openSync(newerFile, 'r');
  try {
    const there = recipeOf(older, ids);
    const before = process.cpuUsage();
    const recipe = recipeOf(newer, ids);
    const { user, system } = process.cpuUsage(before);
    const places = placesIn(there.blocks, recipe.blocks);
    const grains = compareGrains({ older, newer }, { there, recipe, places }, ids);
    const carried = carriedRanges(recipe, places, grains);
    checkAssembled({ older, newer }, { recipe, carried, copied: copiedRanges(recipe, places, grains) });
    return {
      carried: sumOfRanges(carried),
      ids: encodeBlocks(recipe).byteLength + encodeGrains(grains.grains).byteLength,
      answers: Math.ceil(recipe.blocks.count / 8) + Math.ceil(grains.grains.count / 8),
      cutCpuS: (user + system) / 1e6,
    };
  } finally {
    closeSync(older);
    closeSync(newer);
  }
}

interface Files {
  readonly older: number;
  readonly newer: number;
}

const placesIn = (there: CutList, wanted: CutList): Float64Array =>
  createCutIndex(there, placesFrom(there, 0)).placesOf(wanted);

function recipeOf(fd: number, ids: CutIds): Recipe {
  const maker = createRecipeMaker(cutter, ids, fstatSync(fd).size);
  readThrough(fd, 0, fstatSync(fd).size, (piece) => maker.update(piece));
  return maker.finish();
}

/** Compares the blocks that only one of the two files has, grain by grain. */
function compareGrains(
  { older, newer }: Files,
  { there, recipe, places }: { there: Recipe; recipe: Recipe; places: Float64Array },
  ids: CutIds,
): ComparedGrains {
  const wanted = grainsOf(newer, recipe, places, ids);
  const old = grainsOf(older, there, placesIn(recipe.blocks, there.blocks), ids);
  return {
    blocks: wanted.blocks,
    grains: wanted.grains,
    places: createCutIndex(old.grains, old.places).placesOf(wanted.grains),
  };
}

/** The grains of the blocks of a file that have no place in the other one, and where they lie. */
function grainsOf(
  fd: number,
  { blocks }: Recipe,
  places: Float64Array,
  ids: CutIds,
): { blocks: number[]; grains: CutList; places: Float64Array } {
  const missing = [...places.keys()].filter((block) => places[block]! < 0);
  const starts = placesFrom(blocks, 0);
  const list = createGrainList();
  for (const block of missing) {
    readThrough(fd, starts[block]!, blocks.lengths[block]!, (bytes) => addGrains(list, cutter, ids, bytes));
  }
  const grains = list.finish();
  const grainPlaces = new Float64Array(grains.count);
  let grain = 0;
  for (const block of missing) {
    const end = starts[block]! + blocks.lengths[block]!;
    for (let at = starts[block]!; at < end; grain += 1) {
      grainPlaces[grain] = at;
      at += grains.lengths[grain]!;
    }
  }
  return { blocks: missing, grains, places: grainPlaces };
}

function checkAssembled({ older, newer }: Files, assembly: Assembly): void {
  const { carried, recipe } = assembly;
  const assembled = createHash('sha256');
  const expected = createHash('sha256');
  const add = (hash: Hash, fd: number, from: number, lengthBytes: number): void =>
    readThrough(fd, from, lengthBytes, (piece) => void hash.update(piece));
  let part = 0;
  for (const { isCarried, from, lengthBytes } of rangesInOrder(assembly)) {
    add(assembled, isCarried ? newer : older, isCarried ? carried[part]! : from, lengthBytes);
    if (isCarried) part += 2;
  }
  add(expected, newer, 0, recipe.sizeBytes);
  if (!assembled.digest().equals(expected.digest())) throw new Error('the parts do not make the new file');
}

/** Reads a range in pieces of up to 1 MiB. */
function readThrough(fd: number, from: number, lengthBytes: number, use: (piece: Buffer) => void): void {
  for (let done = 0; done < lengthBytes;) {
    const wanted = Math.min(buffer.length, lengthBytes - done);
    let read = 0;
    while (read < wanted) read += readSync(fd, buffer, read, wanted - read, from + done + read);
    use(buffer.subarray(0, wanted));
    done += wanted;
  }
}
