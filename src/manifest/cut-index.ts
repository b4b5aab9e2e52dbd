/** Finds blocks or grains of an old file by their ids. */
import { randomInt } from 'node:crypto';
import type { CutList } from './cut-list.ts';

/** The blocks or grains of an old file, by id. */
export interface CutIndex {
  /**
   * The offset in the old file of each of these, in bytes; -1 where the file has not got it. Of several offsets it takes
   * the one right behind the match before, so that neighbours stay neighbours.
   */
  placesOf(wanted: CutList): Float64Array;
}

/** The offsets of a list whose first member lies at `start` and each other one behind the one before, in bytes. */
export function placesFrom(list: CutList, start: number): Float64Array {
  const places = new Float64Array(list.count);
  let at = start;
  for (let index = 0; index < list.count; index += 1) {
    places[index] = at;
    at += list.lengths[index]!;
  }
  return places;
}

/** Makes the index of blocks or grains that lie at `places` of an old file, in bytes and ascending. */
export function createCutIndex(there: CutList, places: Float64Array): CutIndex {
  const table = createIdTable(there.count);
  for (let index = 0; index < there.count; index += 1) table.add(there, index);
  const find = (wanted: CutList, index: number, next: number): number =>
    next < there.count && isSame(there, next, wanted, index) ? next : table.find(there, wanted, index);
  return {
    placesOf: (wanted) => {
      const found = new Float64Array(wanted.count).fill(-1);
      let next = 0;
      for (let index = 0; index < wanted.count; index += 1) {
        const match = find(wanted, index, next);
        if (match < 0) continue;
        found[index] = places[match]!;
        next = match + 1;
      }
      return found;
    },
  };
}

/**
 * Slots that are looked at for one id. Where half of them are free, honest ids need a few dozen; a side that makes ids
 * up can have them all in one place, and its blocks are then not found, which costs it bytes and nobody time.
 */
const MAX_PROBES = 128;

/** Finds members of one list, which may grow, by their lengths and ids. It is a help: it may miss one among made-up ids. */
export interface IdTable {
  /** Adds a member of the list; the first of several that are the same is found. */
  add(there: CutList, index: number): void;
  /** The number of the member that is the same as a wanted one of another list; -1 where there is none. */
  find(there: CutList, wanted: CutList, index: number): number;
}

/** Makes an {@link IdTable} that has room for so many; it grows where there are more. */
export function createIdTable(count: number): IdTable {
  let slots = new Int32Array(slotCountFor(count)).fill(-1);
  let slotOf = createSlotHash(slots.length);
  let taken = 0;
  /** The slot that has it, or would; -1 where that is too far away. */
  const seek = (there: CutList, wanted: CutList, index: number): number => {
    const first = slotOf(wanted, index);
    for (let probe = 0; probe < MAX_PROBES; probe += 1) {
      const slot = (first + probe) % slots.length;
      if (slots[slot]! < 0 || isSame(there, slots[slot]!, wanted, index)) return slot;
    }
    return -1;
  };
  const add = (there: CutList, index: number): void => {
    const slot = seek(there, there, index);
    if (slot < 0 || slots[slot]! >= 0) return;
    slots[slot] = index;
    taken += 1;
  };
  const grow = (there: CutList): void => {
    const before = slots.filter((index) => index >= 0);
    slots = new Int32Array(2 * slots.length).fill(-1);
    slotOf = createSlotHash(slots.length);
    taken = 0;
    for (const index of before) add(there, index);
  };
  return {
    add: (there, index) => {
      if (2 * taken + 2 > slots.length) grow(there);
      add(there, index);
    },
    find: (there, wanted, index) => slots[seek(there, wanted, index)] ?? -1,
  };
}

/** Twice as many slots as there are entries, and always a free one. */
function slotCountFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(2 * count + 2));
}

/** Spreads ids over slots by random factors, so that nobody can make a file for it whose ids pile up. */
function createSlotHash(slotCount: number): (list: CutList, index: number) => number {
  const [one, two] = [randomInt(2 ** 31) * 2 + 1, randomInt(2 ** 31) * 2 + 1];
  const shift = 32 - Math.log2(slotCount);
  return ({ ids, idBytes }, index) => {
    const at = index * idBytes;
    return (Math.imul(ids.readInt32BE(at), one) + Math.imul(ids.readInt32BE(at + 4), two)) >>> shift;
  };
}

function isSame(a: CutList, aIndex: number, b: CutList, bIndex: number): boolean {
  if (a.lengths[aIndex] !== b.lengths[bIndex] || a.idBytes !== b.idBytes) return false;
  const aAt = aIndex * a.idBytes;
  const bAt = bIndex * b.idBytes;
  return a.ids.compare(b.ids, bAt, bAt + b.idBytes, aAt, aAt + a.idBytes) === 0;
}
