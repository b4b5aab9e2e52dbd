/** Modification times, as exactly as this machine can set them. */
import { futimesSync, lutimesSync } from 'node:fs';
import type { Native } from '../../../base/native.ts';

/** Sets times of last modification, in nanoseconds since 1970. Both throw system errors or CairnError. */
export interface FileTimes {
  readonly resolutionNs: bigint;
  set(fd: number, mtimeNs: bigint): void;
  /** Does not follow a symbolic link. */
  setLink(path: string, mtimeNs: bigint): void;
}

/** Nanoseconds through the C library; without it Node's own calls, which count in microseconds. */
export function fileTimes(native: Native | undefined): FileTimes {
  if (native !== undefined) {
    return { resolutionNs: 1n, set: native.setTimes, setLink: native.setLinkTimes };
  }
  return {
    resolutionNs: 1000n,
    set: (fd, mtimeNs) => futimesSync(fd, Date.now() / 1000, seconds(mtimeNs)),
    setLink: (path, mtimeNs) => lutimesSync(path, Date.now() / 1000, seconds(mtimeNs)),
  };
}

/**
 * Adds half a microsecond, because libuv cuts off fractions of one, and a double of today's time is exact only to a
 * quarter of one: without it a whole microsecond may be lost.
 */
function seconds(mtimeNs: bigint): string {
  const remainder = ((mtimeNs % 1000n) + 1000n) % 1000n;
  // As a string, since Node reads a negative number as "now".
  return String((Number((mtimeNs - remainder) / 1000n) + 0.5) / 1e6);
}
