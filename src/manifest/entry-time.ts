/** Times of last modification: which ones a manifest can carry, and which ones a file system keeps. */

/** Times that an entry can have, in nanoseconds since 1970: a signed integer of 64 bits, from 1677 to 2262. */
export const TIME_RANGE_NS = { min: -(2n ** 63n), max: 2n ** 63n - 1n } as const;

const NS_PER_S = 1_000_000_000n;
const DAY_NS = 86_400n * NS_PER_S;
/** Limits of file systems: 32 bits, signed or not (ext4 with small inodes, XFS, NFS), and the years of FAT. */
const LAST_NS = [2n ** 31n, 2n ** 32n].map((seconds) => seconds * NS_PER_S - 1n);
const FIRST_NS = -(2n ** 31n) * NS_PER_S;
const FAT_NS = { first: 315_532_800n * NS_PER_S, last: 4_354_819_199n * NS_PER_S } as const;

/** The nearest time that a manifest can carry. */
export function carriedTime(mtimeNs: bigint): bigint {
  if (mtimeNs < TIME_RANGE_NS.min) return TIME_RANGE_NS.min;
  return mtimeNs > TIME_RANGE_NS.max ? TIME_RANGE_NS.max : mtimeNs;
}

/** Whether some file systems in use cannot keep this time. */
export function isFarTime(mtimeNs: bigint): boolean {
  return mtimeNs < FAT_NS.first + DAY_NS || mtimeNs > LAST_NS[0]!;
}

/**
 * Whether a file system may store `wantedNs` as `foundNs`: the same within its resolution, or the end of its range
 * where the wanted time lies beyond. FAT counts in local time, which may be a day off.
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
