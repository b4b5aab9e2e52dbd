/** Times of last modification: which of them can be carried, and which a file system keeps. */

/** Nanoseconds since 1970 that an entry can have: those of a signed integer of 64 bits, from 1677 to 2262. */
export const TIME_RANGE_NS = { min: -(2n ** 63n), max: 2n ** 63n - 1n } as const;

const NS_PER_S = 1_000_000_000n;
const DAY_NS = 86_400n * NS_PER_S;
/** Where file systems end: 32 bits, with a sign or without (ext4 with small inodes, XFS, NFS), and the years of FAT. */
const LAST_NS = [2n ** 31n, 2n ** 32n].map((seconds) => seconds * NS_PER_S - 1n);
const FIRST_NS = -(2n ** 31n) * NS_PER_S;
const FAT_NS = { first: 315_532_800n * NS_PER_S, last: 4_354_819_199n * NS_PER_S } as const;

/** The time nearest to this one that can be carried. */
export function carriedTime(mtimeNs: bigint): bigint {
  if (mtimeNs < TIME_RANGE_NS.min) return TIME_RANGE_NS.min;
  return mtimeNs > TIME_RANGE_NS.max ? TIME_RANGE_NS.max : mtimeNs;
}

/** Whether there are file systems in use that cannot keep this time. */
export function isFarTime(mtimeNs: bigint): boolean {
  return mtimeNs < FAT_NS.first + DAY_NS || mtimeNs > LAST_NS[0]!;
}

/**
 * Whether `foundNs` is what a file system makes of `wantedNs`: the same, as exactly as it keeps times, or the end of what it
 * can keep where the wanted time lies beyond it. FAT counts in local time, which may be a day off.
 */
export function isKeptTime(wantedNs: bigint, foundNs: bigint, resolutionNs: bigint): boolean {
  const offNs = wantedNs - foundNs;
  if (offNs < resolutionNs && offNs > -resolutionNs) return true;
  if (offNs > 0n)
    return LAST_NS.some((end) => isNear(foundNs, end, NS_PER_S)) || isNear(foundNs, FAT_NS.last, DAY_NS);
  return isNear(foundNs, FIRST_NS, NS_PER_S) || isNear(foundNs, FAT_NS.first, DAY_NS);
}

function isNear(valueNs: bigint, endNs: bigint, withinNs: bigint): boolean {
  const offNs = valueNs - endNs;
  return offNs <= withinNs && offNs >= -withinNs;
}
