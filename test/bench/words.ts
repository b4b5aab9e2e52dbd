/** The words after `npm run bench --`. */
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';

/** What was asked for. */
export interface Words {
  readonly runs: number;
  readonly isQuick: boolean;
  readonly isJson: boolean;
  readonly help: boolean;
  /** Names of scenarios, or beginnings of names; all where it is empty. */
  readonly only: readonly string[];
  /** Where the report goes; nowhere where undefined. */
  readonly out: string | undefined;
  readonly memoryFolder: string;
  readonly diskFolder: string;
}

/** How to use it. */
export const HELP = `npm run bench [-- OPTIONS]      cairn and its peers on the same work

  --quick        a first answer in about a minute: less data, no long scenarios
  --only NAME    one scenario, or all whose names begin like this; may be repeated
  --runs N       runs of each contestant (default 5; with --quick 3)
  --out DIR      writes report.md, its charts and results.json there
  --json         prints the results as one JSON document instead of tables
  --memory DIR   a folder of a memory file system (default /dev/shm)
  --disk DIR     a folder on a disk (default: the temporary directory)

A full run takes about an hour and needs 20 GiB of disk and 10 GiB of memory. Peers that are not installed are named.`;

/** Reads the words. @throws TypeError that says which one is wrong */
export function parseWords(words: readonly string[]): Words {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
      only: { type: 'string', multiple: true, default: [] },
      runs: { type: 'string' },
      out: { type: 'string' },
      memory: { type: 'string' },
      disk: { type: 'string', default: tmpdir() },
    },
  });
  const runs = Number(values.runs ?? (values.quick ? 3 : 5));
  if (!Number.isInteger(runs) || runs < 1) throw new TypeError('--runs takes a number from 1');
  return {
    runs,
    isQuick: values.quick,
    isJson: values.json,
    help: values.help,
    only: values.only,
    out: values.out,
    memoryFolder: values.memory ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir()),
    diskFolder: values.disk,
  };
}
