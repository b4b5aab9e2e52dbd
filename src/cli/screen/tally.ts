/** What the events of a transfer add up to; every renderer reads this. */
import type { ErrorCode } from '../../base/errors.ts';
import type { Phase, TransferEvent } from '../../client/api/events.ts';

/** A file of at least one chunk that is under way. */
export interface FileProgress {
  readonly path: string;
  readonly doneBytes: number;
  readonly sizeBytes: number;
  readonly resumedBytes: number;
}

/** Why nothing moves, and when that ends. */
export interface Waiting {
  readonly code: ErrorCode;
  readonly message: string;
  /** Until the next try, and until giving up, in milliseconds from now. */
  readonly delayMs: number;
  readonly leftMs: number;
}

/** The state of a transfer at one moment. */
export interface Progress {
  readonly phase: Phase | undefined;
  readonly entries: number;
  /** Of the entries that carry bytes: how many there are, and how many have crossed whole. */
  readonly carried: number;
  readonly moved: number;
  /** Null for a stream, whose size shows when it ends; undefined before it is planned. */
  readonly bytesTotal: number | null | undefined;
  /** What is over, this run's and earlier ones'. */
  readonly bytesDone: number;
  readonly bytesResumed: number;
  readonly bytesSkipped: number;
  readonly bytesPerSecond: number;
  /** Undefined while it cannot be known. */
  readonly etaMs: number | undefined;
  /** Since the tally was made, in milliseconds. */
  readonly elapsedMs: number;
  readonly publishing: { readonly entriesDone: number; readonly entriesTotal: number } | undefined;
  /** Why nothing moves; undefined while something does. */
  readonly waiting: Waiting | undefined;
  /** Large files that are not done yet, the most recently touched last. */
  readonly files: readonly FileProgress[];
}

/** Adds events up. */
export interface Tally {
  add(event: TransferEvent): void;
  now(): Progress;
}

/** The rate is that of the last seconds: older ones tell nothing of the link as it is. */
const RATE_WINDOW_MS = 10_000;
const SAMPLE_EVERY_MS = 250;
/** Before that, a rate would be a guess. */
const MIN_RATE_SPAN_MS = 400;
/** The first bytes only fill the buffers on the way: on a slow line they would look like a fast one. */
const WARM_UP_MS = 500;

/** Bytes per second over a sliding window. */
class RateMeter {
  readonly #samples: { at: number; bytes: number }[] = [];
  #bytes = 0;
  #beganAt: number | undefined;

  add(bytes: number, at: number): void {
    this.#beganAt ??= at;
    if (at - this.#beganAt < WARM_UP_MS) {
      this.#bytes += bytes;
      this.#samples.splice(0, Infinity, { at, bytes: this.#bytes });
      return;
    }
    const last = this.#samples.at(-1);
    if (last === undefined || at - last.at >= SAMPLE_EVERY_MS) {
      this.#samples.push({ at, bytes: this.#bytes });
      while ((this.#samples[0]?.at ?? at) < at - RATE_WINDOW_MS) this.#samples.shift();
    }
    this.#bytes += bytes;
  }

  at(now: number): number {
    const first = this.#samples.find((sample) => sample.at >= now - RATE_WINDOW_MS);
    if (first === undefined || now - first.at < MIN_RATE_SPAN_MS) return 0;
    return ((this.#bytes - first.bytes) * 1000) / (now - first.at);
  }
}

/** A tally that has seen nothing yet. `now` gives milliseconds and never goes back. */
export function createTally(now: () => number = () => performance.now()): Tally {
  const meter = new RateMeter();
  const beganAt = now();
  let waitingSince = beganAt;
  const files = new Map<string, FileProgress>();
  let state: Omit<Progress, 'bytesPerSecond' | 'etaMs' | 'elapsedMs' | 'files'> = {
    phase: undefined,
    entries: 0,
    carried: 0,
    moved: 0,
    bytesTotal: undefined,
    bytesDone: 0,
    bytesResumed: 0,
    bytesSkipped: 0,
    publishing: undefined,
    waiting: undefined,
  };
  return {
    add: (event) => {
      if (event.type === 'bytes') meter.add(event.bytes, now());
      if (event.type === 'file') noteFile(files, event);
      if (event.type === 'waiting') waitingSince = now();
      state = { ...state, ...changesBy(event, state) };
    },
    now: () => {
      const bytesPerSecond = meter.at(now());
      const left = typeof state.bytesTotal === 'number' ? state.bytesTotal - state.bytesDone : undefined;
      const etaMs = left === undefined || bytesPerSecond <= 0 ? undefined : (left * 1000) / bytesPerSecond;
      const { waiting } = state;
      return {
        ...state,
        bytesPerSecond,
        etaMs,
        elapsedMs: now() - beganAt,
        waiting: waiting === undefined ? undefined : countedDown(waiting, now() - waitingSince),
        files: [...files.values()],
      };
    },
  };
}

function countedDown({ code, message, delayMs, leftMs }: Waiting, passedMs: number): Waiting {
  const left = (ms: number): number => Math.max(0, ms - passedMs);
  return { code, message, delayMs: left(delayMs), leftMs: left(leftMs) };
}

function noteFile(files: Map<string, FileProgress>, event: FileProgress): void {
  const { path, doneBytes, sizeBytes, resumedBytes } = event;
  files.delete(path);
  if (doneBytes < sizeBytes) files.set(path, { path, doneBytes, sizeBytes, resumedBytes });
}

type Counted = Pick<Progress, 'bytesDone' | 'bytesTotal' | 'moved' | 'carried'>;

function changesBy(event: TransferEvent, state: Counted): Partial<Progress> {
  switch (event.type) {
    case 'phase':
      return {
        phase: event.phase,
        waiting: undefined,
        ...(event.entries === undefined ? {} : { entries: event.entries }),
      };
    case 'planned': {
      const { entries, carried, bytesTotal, bytesSkipped, bytesResumed } = event;
      return { entries, carried, bytesTotal, bytesSkipped, bytesResumed, bytesDone: bytesResumed };
    }
    case 'bytes':
      return { bytesDone: cap(state.bytesDone + event.bytes, state.bytesTotal), waiting: undefined };
    case 'moved':
      return { moved: Math.max(0, state.moved + event.entries) };
    case 'lost':
      return { bytesDone: Math.max(0, state.bytesDone - event.bytes) };
    case 'resumed':
      return { waiting: undefined };
    case 'publishing':
      return {
        publishing: { entriesDone: event.entriesDone, entriesTotal: event.entriesTotal },
        waiting: undefined,
      };
    case 'waiting':
      return { waiting: event };
    default:
      return {};
  }
}

/** A retry may count some bytes twice; a bar beyond its end would look like a mistake. */
function cap(bytes: number, total: number | null | undefined): number {
  return typeof total === 'number' ? Math.min(bytes, total) : bytes;
}
