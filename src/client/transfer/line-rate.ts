/**
 * How much a line carries, between two bounds that are sure: at least what set off and was answered within a while, at
 * most that and all that is on its way. A number between them would be a guess, since chunks that share a line are
 * answered at about the same time.
 */

/** A chunk on its way. */
export interface Crossing {
  /** It is over: so many of its bytes have crossed the line. */
  over(wireBytes: number): void;
}

/** Bounds of a line's rate, in bytes a millisecond. */
export interface RateBounds {
  readonly least: number;
  readonly most: number;
}

/** How much a line carries, as far as that is known. */
export interface LineRate {
  /** Something sets off that has so many bytes at most. */
  started(bytes: number): Crossing;
}

/** Before that nothing is said. */
const MIN_MS = 300;
/** Older answers say nothing of now; but as much as is on its way has to have been answered meanwhile. */
const WHILE_MS = 2000;

/**
 * Watches a line.
 *
 * @param now milliseconds on a clock that never goes back; time in which nothing is on its way does not count
 * @param onKnown told of the bounds whenever something was answered
 */
export function watchLine(now: () => number, onKnown: (bounds: RateBounds) => void): LineRate {
  const open = { chunks: 0, bytes: 0 };
  const since = { ms: now(), answers: 0, bytes: 0, ownBytes: 0 };
  let idleSinceMs = now();
  const beginAnew = (nowMs: number): void => {
    Object.assign(since, { ms: nowMs, answers: 0, bytes: 0, ownBytes: 0 });
  };
  const answered = (setOffMs: number, wireBytes: number): void => {
    const nowMs = now();
    const tookMs = nowMs - since.ms;
    since.answers += 1;
    since.bytes += wireBytes;
    if (setOffMs >= since.ms) since.ownBytes += wireBytes;
    if (tookMs < MIN_MS) return;
    onKnown({ least: since.ownBytes / tookMs, most: (since.bytes + open.bytes) / tookMs });
    if (tookMs >= WHILE_MS && since.answers >= open.chunks) beginAnew(nowMs);
  };
  return {
    started: (bytes) => {
      if (open.chunks === 0) since.ms += now() - idleSinceMs;
      const setOffMs = now();
      open.chunks += 1;
      open.bytes += bytes;
      return {
        over: (wireBytes) => {
          open.chunks -= 1;
          open.bytes -= bytes;
          idleSinceMs = now();
          if (wireBytes > 0) answered(setOffMs, wireBytes);
        },
      };
    },
  };
}
