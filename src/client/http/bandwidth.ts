/** A limit on the bytes of chunks, shared by all connections of a transfer, that may change with the time of day. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { BandwidthRate } from '../api/reach.ts';

/** Lets chunks through at the pace that was wished for. */
export interface Bandwidth {
  /** Passes pieces on, each when its time has come. @throws the signal's reason */
  paced(pieces: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
}

/** No limit. */
export const UNLIMITED: Bandwidth = { paced: (pieces) => pieces };

/** A slice takes about so long: short enough for many connections to share, and for no side to think that one is dead. */
const SLICE_MS = 100;
const SLICE = { minBytes: 1024, maxBytes: 256 * 1024 };
/** What was not used a moment ago may be made up for. */
const CREDIT_MS = 200;

/**
 * Makes a limit.
 *
 * @param clocks milliseconds on a clock that never goes back, and the time of day
 */
export function limitBandwidth(
  rateAt: BandwidthRate,
  clocks: { readonly now: () => number; readonly date: () => Date } = {
    now: () => performance.now(),
    date: () => new Date(),
  },
): Bandwidth {
  /** When everything that was let through so far has had its time. */
  let freeAtMs = -Infinity;
  /** Books the time for some bytes, and waits until it begins. */
  const turn = async (bytes: number, rate: number, signal: AbortSignal | undefined): Promise<void> => {
    const nowMs = clocks.now();
    const beginMs = Math.max(freeAtMs, nowMs - CREDIT_MS);
    freeAtMs = beginMs + (bytes / rate) * 1000;
    if (beginMs > nowMs) await sleep(beginMs - nowMs, undefined, signal === undefined ? {} : { signal });
  };
  return {
    paced: async function* (pieces, signal) {
      for await (const piece of pieces) {
        for (let from = 0; from < piece.byteLength;) {
          const rate = rateAt(clocks.date());
          const most = rate === undefined ? piece.byteLength : sliceBytes(rate);
          const slice = piece.subarray(from, from + most);
          from += slice.byteLength;
          if (rate === undefined) {
            yield slice;
            continue;
          }
          await waited(turn(slice.byteLength, rate, signal), signal);
          // A small one may still be in the socket's queue when its source writes over it.
          yield Buffer.from(slice);
        }
      }
    },
  };
}

async function waited(turn: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  try {
    await turn;
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function sliceBytes(rate: number): number {
  return Math.max(SLICE.minBytes, Math.min(SLICE.maxBytes, Math.floor((rate * SLICE_MS) / 1000)));
}
