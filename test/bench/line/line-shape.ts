/** What a long line is like, and what its process and the bench tell each other. */

/** A line between a client and a server. */
export interface LineShape {
  /** Milliseconds from one end to the other and back. */
  readonly roundTripMs: number;
  /** Of one connection, in each direction. */
  readonly bytesPerSecond: number;
  /** Of all connections together, in each direction. */
  readonly totalBytesPerSecond: number;
}

/** When all connections are cut. */
export interface CutPlan {
  /** Milliseconds from now to the first cut. */
  readonly firstMs: number;
  readonly everyMs: number;
}

/** What the bench tells the line's process. */
export type LineOrder =
  | { readonly do: 'open'; readonly targetPort: number; readonly shape: LineShape }
  /** No plan: cuts nothing from now on. */
  | { readonly do: 'cut'; readonly plan: CutPlan | undefined };

/** What the line's process answers to each order. */
export interface LineAnswer {
  /** The near end, after `open`. */
  readonly port?: number;
  /** How often everything was cut since the last order. */
  readonly cuts: number;
}

const MEGABIT = 1_000_000 / 8;

/** 80 ms, 20 Mbit/s a connection, 400 Mbit/s in all. */
export const LONG_LINE: LineShape = {
  roundTripMs: 80,
  bytesPerSecond: 20 * MEGABIT,
  totalBytesPerSecond: 400 * MEGABIT,
};
