/**
 * Unfinished pushes of other sets of sources to the same URL: a glob that matches more today than yesterday, say. Where this
 * run wants all that such a one was to bring, it finishes that one first; any other is told of, and left alone.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { TransferOptions } from '../api/options.ts';
import { otherThanAsked } from '../state/asked.ts';
import { isLocked, recordsBeside, type OtherRecord } from '../state/records.ts';
import { openFolder, transfersDirectory, type TransferFolder } from '../state/transfer-folder.ts';
import { isUnrepeatable } from '../transfer/pass-result.ts';
import { isGone } from './source-roots.ts';
import type { LocalSource } from './source.ts';

/** What a run brings, and where it keeps what it knows. */
export interface OwnRun {
  readonly source: LocalSource;
  readonly folder: TransferFolder;
  /** Absolute local paths. */
  readonly local: readonly string[];
}

/** Unfinished pushes beside this run's own. Close them. */
export interface EarlierRuns {
  /** Locked by this run, each with the sources that it began with: to be finished first. */
  readonly taken: readonly OwnRun[];
  /** A line for each that is left alone and shares a source with this run. */
  readonly notices: readonly string[];
  close(): Promise<void>;
}

/** For a run that goes on with nothing. */
export const NO_EARLIER_RUNS: EarlierRuns = { taken: [], notices: [], close: async () => undefined };

/**
 * Looks for them, and locks and opens those that this run takes over. A run that has a record of its own goes on with
 * that one alone.
 *
 * @throws CairnError `transfer-locked` while another process brings some of these sources; storage codes
 */
export async function openEarlierRuns(own: OwnRun, options: TransferOptions): Promise<EarlierRuns> {
  const taken: OwnRun[] = [];
  const notices: string[] = [];
  const close = async (): Promise<void> => {
    for (const { source, folder } of taken) {
      await source.close();
      await folder.close();
    }
  };
  try {
    for (const other of await rivals(own, options)) {
      if (await isForThisRun(other, { own, taken, options })) {
        const run = await takeOver(other, own, options);
        if (run !== undefined) taken.push(run);
      } else if (!(await isLocked(join(transfersDirectory(options.stateHome), other.key))))
        notices.push(remains(other));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { taken, notices, close };
}

/** Unfinished pushes to the same URL that share a source with this run. */
async function rivals(
  { folder, local }: OwnRun,
  { stateHome, url }: TransferOptions,
): Promise<OtherRecord[]> {
  const wanted = new Set(local);
  return (await recordsBeside(stateHome, folder.key)).filter(
    ({ record }) =>
      record.direction === 'push' && record.url === url.href && record.local.some((path) => wanted.has(path)),
  );
}

interface Around {
  readonly own: OwnRun;
  /** What this run has taken over already: the same source is not brought twice. */
  readonly taken: readonly OwnRun[];
  readonly options: TransferOptions;
}

async function isForThisRun({ record }: OtherRecord, { own, taken, options }: Around): Promise<boolean> {
  const isBegun = own.folder.record !== undefined;
  // Where what comes again is taken for something new, this run could not bring the rest after it.
  if (isBegun || isUnrepeatable(record.session) || otherThanAsked(record, options) !== undefined)
    return false;
  const isTaken = taken.some(({ local }) => local.some((path) => record.local.includes(path)));
  if (isTaken || !(await landsAlike(record.local, own.local, options.url))) return false;
  const wanted = new Set(own.local);
  for (const path of record.local) {
    // A source that is still there and not asked for any more is not brought without being asked for.
    if (!wanted.has(path) && !(await isGone(path))) return false;
  }
  return true;
}

/** Several sources land under their names, and so does one file where the URL ends with a slash. */
async function landsAlike(a: readonly string[], b: readonly string[], { pathname }: URL): Promise<boolean> {
  if (a.length > 1 && b.length > 1) return true;
  const single = [a, b].filter((paths) => paths.length === 1).flat();
  if (!pathname.endsWith('/')) return false;
  for (const path of single) {
    // A link that leads nowhere is no directory.
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory() === true) return false;
  }
  return true;
}

/** Undefined where another process has finished it meanwhile. */
async function takeOver(
  { key, record }: OtherRecord,
  { source }: OwnRun,
  { stateHome }: TransferOptions,
): Promise<OwnRun | undefined> {
  const folder = await lockedFolder(stateHome, key);
  try {
    if (folder.record !== undefined)
      return { folder, local: record.local, source: await source.ofEarlierRun(record.local) };
  } catch (error) {
    await folder.close();
    throw error;
  }
  await folder.close();
  return undefined;
}

async function lockedFolder(stateHome: string, key: string): Promise<TransferFolder> {
  try {
    return await openFolder(stateHome, key);
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'transfer-locked') throw error;
    const { pid } = error.details;
    const who = typeof pid === 'number' ? `process ${pid}` : 'another process';
    const message = `${who} pushes some of these sources to the same URL; wait for it to end, or stop it`;
    const details = { ...error.details, isOfOtherSources: true };
    throw new CairnError('transfer-locked', message, { cause: error, details });
  }
}

function remains({ key, record }: OtherRecord): string {
  const [first = ''] = record.local;
  const others = record.local.length - 1;
  const what = `"${printable(first)}"${others > 0 ? ` and ${others} more` : ''}`;
  const id = key.slice(0, 8);
  return `an unfinished push of ${what} to the same URL remains: "cairn transfers resume" goes on with it, "cairn transfers rm ${id}" drops it`;
}
