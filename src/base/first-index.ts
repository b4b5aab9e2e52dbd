/**
 * The first index below `count` that is such, by halving; `count` where none is. From the first one on all have to be such.
 */
export function firstIndex(count: number, isSuch: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isSuch(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
