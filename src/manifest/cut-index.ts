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
  const slots = new Int32Array(slotCountFor(there.count)).fill(-1);
  const slotOf = createSlotHash(slots.length);
  for (let index = 0; index < there.count; index += 1) {
    let slot = slotOf(there, index);
    while (slots[slot]! >= 0 && !isSame(there, slots[slot]!, there, index)) slot = (slot + 1) % slots.length;
    if (slots[slot]! < 0) slots[slot] = index;
  }

  const find = (wanted: CutList, index: number, next: number): number => {
    if (next < there.count && isSame(there, next, wanted, index)) return next;
    let slot = slotOf(wanted, index);
    while (slots[slot]! >= 0 && !isSame(there, slots[slot]!, wanted, index)) slot = (slot + 1) % slots.length;
    return slots[slot]!;
  };
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

/** Twice as many slots as there are entries, and always a free one. */
function slotCountFor(count: number): number {
  return 2 ** Math.ceil(Math.log2(2 * count + 2));
}

/** Spreads ids over slots by random factors: ids that a hostile file was made for do not pile up. */
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
