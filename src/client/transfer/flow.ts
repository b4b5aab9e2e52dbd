/**
 * How many chunks are on their way at a time: as many as make more of the link, and no more. A line that is long, or gives
 * each connection only a part of itself, needs many; on a short one they only get into each other's way. Judged is what
 * was answered, since what a socket takes says nothing.
 */

/** The width of a transfer, as its workers see it. */
export interface Flow {
  /** Chunks that may be on their way now. */
  readonly width: number;
  /** How many there will be soon after the workers start on chunks of this size. */
  startWidth(chunkSizeBytes: number): number;
  /** The workers start, on chunks of this size: what was before says nothing. */
  begin(chunkSizeBytes: number): void;
  /** A chunk, or what was left of it, has crossed and was answered. */
  finished(bytes: number): void;
  /** `widened` is called whenever the width has grown; answers how to stop that. */
  onWiden(widened: () => void): () => void;
}

/** What a flow is made of. */
export interface FlowOptions {
  /** Most chunks at a time; the width never changes where it is fixed. */
  readonly max: number;
  readonly isFixed: boolean;
  /** How long a short request took. */
  readonly roundTripMs: number;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
}

/** Where a short line begins. */
const START_SHORT = 4;
/** Where a long one does: each chunk waits a round trip for its answer, and most long lines give more to more connections. */
const START_LONG = 40;
/** So many of them at once, the others so much later: or all would wait for their answers at the same time. */
const FIRST_SHARE = 0.6;
const SECOND_AFTER_MS = 250;
/** From here on a line is a long one. */
export const LONG_ROUND_TRIP_MS = 15;
/** As long as it is not known how slow a line is, no more than this is begun on it, and so at risk. */
const START_BYTES = 40 * 1024 * 1024;
/** Chunks that take longer than this hold each other up: fewer at a time get as much across, and are done sooner. */
const SLOW_CHUNK_MS = 4000;
/** A wider flow has to bring so much more to be kept, or one answer more or less, if that is much. */
const LEAST_GAIN = 0.04;
const STEP = 1.5;
/**
 * A connection that carries so many bytes a millisecond is not what holds a transfer up: no more are opened beside it. A disk
 * that is now slower, now faster would otherwise pass for a gain each time, and every connection takes memory on both sides.
 */
const FAST_CONNECTION = 32_000;
/** A round that is judged: at least so long, and so many answers for each of the workers. */
const ROUND = { minMs: 300, roundTrips: 4, answersPerWorker: 1 };
/** A link may change: after so long the next width is tried again. */
const TRY_AGAIN_MS = 8000;

interface Climb {
  width: number;
  /** Most bytes per millisecond that were ever seen. */
  peak: number;
  /** Bytes per millisecond of the last judged width that was worth it. */
  best: number;
  bestWidth: number;
  /** When the next width is tried; undefined while one is being judged. */
  tryAtMs: number | undefined;
}

/** Makes the flow of one transfer. */
export function createFlow({ max, isFixed, roundTripMs, now }: FlowOptions): Flow {
  const width = isFixed ? max : Math.min(max, START_SHORT);
  const climb: Climb = { width, peak: 0, best: 0, bestWidth: width, tryAtMs: undefined };
  const listeners = new Set<() => void>();
  const round = { sinceMs: now(), bytes: 0, answers: 0 };
  const minMs = Math.max(ROUND.minMs, ROUND.roundTrips * roundTripMs);
  let hasBegun = false;
  const tellWidened = (): void => {
    for (const widened of listeners) widened();
  };
  const startWidth = (chunkSizeBytes: number): number => {
    if (isFixed || roundTripMs < LONG_ROUND_TRIP_MS) return climb.width;
    return Math.max(climb.width, Math.min(max, START_LONG, Math.floor(START_BYTES / chunkSizeBytes)));
  };
  const beginWith = (start: number): void => {
    climb.width = climb.bestWidth = Math.max(climb.width, Math.ceil(start * FIRST_SHARE));
    setTimeout(() => {
      if (climb.best > 0 || climb.width >= start) return;
      climb.width = climb.bestWidth = start;
      tellWidened();
    }, SECOND_AFTER_MS).unref();
  };
  return {
    get width() {
      return climb.width;
    },
    startWidth,
    begin: (chunkSizeBytes) => {
      const start = startWidth(chunkSizeBytes);
      if (!hasBegun && start > climb.width) beginWith(start);
      hasBegun = true;
      Object.assign(round, { sinceMs: now(), bytes: 0, answers: 0 });
    },
    finished: (bytes) => {
      if (isFixed) return;
      round.bytes += bytes;
      round.answers += 1;
      const nowMs = now();
      const tookMs = nowMs - round.sinceMs;
      if (tookMs < minMs || round.answers < climb.width * ROUND.answersPerWorker) return;
      const before = climb.width;
      judge(climb, round.bytes / tookMs, { gain: 1 + Math.max(LEAST_GAIN, 1 / round.answers), max, nowMs });
      keepChunksQuick(climb, (before * tookMs) / round.answers, { before, nowMs });
      Object.assign(round, { sinceMs: nowMs, bytes: 0, answers: 0 });
      if (climb.width > before) tellWidened();
    },
    onWiden: (widened) => {
      listeners.add(widened);
      return () => listeners.delete(widened);
    },
  };
}

/** Goes on climbing while that brings more, goes back where it did not, and tries again after a while. */
function judge(
  climb: Climb,
  rate: number,
  { gain, max, nowMs }: { gain: number; max: number; nowMs: number },
): void {
  climb.peak = Math.max(climb.peak, rate);
  if (climb.tryAtMs === undefined) {
    if (rate > climb.best * gain) {
      Object.assign(climb, { best: rate, bestWidth: climb.width });
      widen(climb, max, nowMs);
    } else Object.assign(climb, { width: climb.bestWidth, tryAtMs: nowMs + TRY_AGAIN_MS });
    return;
  }
  // What the link gives now is what the next width has to surpass.
  climb.best = rate;
  if (nowMs >= climb.tryAtMs) widen(climb, max, nowMs);
}

function widen(climb: Climb, max: number, nowMs: number): void {
  const isFast = climb.peak / climb.width > FAST_CONNECTION;
  const wider = isFast ? climb.width : Math.min(max, Math.ceil(climb.width * STEP));
  climb.tryAtMs = wider === climb.width ? nowMs + TRY_AGAIN_MS : undefined;
  climb.width = wider;
}

/** Where a chunk took too long, or would with more beside it, there are no more at a time than get through in that time. */
function keepChunksQuick(
  climb: Climb,
  chunkMs: number,
  { before, nowMs }: { before: number; nowMs: number },
): void {
  const most = Math.max(START_SHORT, Math.floor((before * SLOW_CHUNK_MS) / chunkMs));
  if (climb.width <= most) return;
  Object.assign(climb, { width: most, bestWidth: most, tryAtMs: nowMs + TRY_AGAIN_MS });
}
