/** What every contestant can do, so that scenarios need not know who they are. */
import type { Command } from '../measure.ts';
import type { Place } from '../place.ts';

/** Where a contestant runs. */
export interface Ground {
  readonly place: Place;
  /** A folder of its own, empty. */
  readonly folder: string;
  /** The port by which its client reaches what listens on `port`: the same, or the near end of a slow line. */
  via(port: number): Promise<number>;
}

/** A contestant with its server running. */
export interface Seat {
  /** Process ids of its servers, without their descendants. */
  readonly servers: readonly number[];
  /** Where the server keeps what clients call `name`. */
  served(name: string): string;
  /** Sends a file, or a folder's entries, to `name`. */
  push?(source: string, name: string): Command;
  /** Fetches `name` to `target`, which is not there yet; its folder is. */
  pull?(name: string, target: string): Command;
  close(): Promise<void>;
}

/** Somebody who moves files. */
export interface Contestant {
  readonly name: string;
  /** What has to be installed for it and is not; undefined where everything is there. */
  missing(): string | undefined;
  /** Of its programs, with the settings that are not their defaults. */
  versions(): readonly string[];
  setUp(ground: Ground): Promise<Seat>;
}
