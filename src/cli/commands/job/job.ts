/** A job: one transfer with what goes around it, as its table of the job file says. */

import type { Place } from './placed-toml.ts';

/** A program and its arguments; no shell reads them. */
export type Argv = readonly [program: string, ...rest: string[]];

/** One job that is right. */
export interface Job {
  readonly name: string;
  readonly direction: 'push' | 'pull';
  /** What people are shown of both ends: local paths or a command line, and a URL. */
  readonly from: readonly string[];
  readonly to: string;
  /** Options of the transfer, as words of the command line; none of them is a secret. */
  readonly options: readonly string[];
  /** What follows them. */
  readonly words: readonly string[];
  /** The file with the token of the server, and where it is named. */
  readonly tokenFile: (Place & { readonly path: string }) | undefined;
  /** Paths without which nothing is done. */
  readonly require: readonly string[];
  readonly before: Argv | undefined;
  readonly after: Argv | undefined;
  readonly onFailure: Argv | undefined;
  /** So many entries may be left out without the job having failed. */
  readonly partialIsOkUpTo: number;
  /** The monitor that is told of each run; its URL may be a secret. */
  readonly ping: URL | undefined;
  /** How old the last success may be; undefined: of any age. */
  readonly overdueAfterMs: number | undefined;
  /** The directory for a file with metrics. */
  readonly textfile: string | undefined;
}

/** The words of the transfer of a job, from the name of its command on. */
export function transferWords({ direction, options, words }: Job, extra: readonly string[]): string[] {
  return [direction, ...extra, ...options, ...words];
}
