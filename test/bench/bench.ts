/** What a bench was asked to do, and what its scenarios share. */
import type { Place } from './place.ts';

/** Handed to every scenario. */
export interface Bench {
  /** Runs of each contestant; scenarios that take long may do with fewer. */
  readonly runs: number;
  /** A first answer in about a minute: less data, and no scenario that takes long. */
  readonly isQuick: boolean;
  readonly memory: Place;
  readonly disk: Place;
  /** Notes that a peer could not do what was asked of it; it is left out of that scenario, and named. */
  leaveOut(peer: string, error: unknown): void;
  /** Tells how far it is. */
  say(message: string): void;
}
