/**
 * Cuts a sequence into pages by its content, so that the same entries are cut alike whatever changes led to them: a page
 * ends where the hash of its last item has six zero bits, between 16 and 512 items. Pure.
 */
import { createHash } from 'node:crypto';

/** Least and most items of a page; the last page of a level may have fewer. */
export const PAGE_ITEMS = { min: 16, max: 512 } as const;
const CUT_MASK = 63;

/** Whether an entry with this path may be the last one of a leaf. */
export function isPathCut(path: string): boolean {
  return (createHash('sha256').update(path).digest().readUInt32BE() & CUT_MASK) === 0;
}

/** Whether a page with this id may be the last one of a branch. */
export function isIdCut(id: string): boolean {
  return (Number.parseInt(id.slice(0, 8), 16) & CUT_MASK) === 0;
}

/** Whether a page ends behind its last item. */
export function isFull(items: number, isCut: () => boolean): boolean {
  return items >= PAGE_ITEMS.max || (items >= PAGE_ITEMS.min && isCut());
}
