/** `cairn pull URL DEST`: finishes what an earlier run began, then brings the rest. */
import { resolve } from 'node:path';
import type { TransferSummary } from './api/events.ts';
import type { TransferOptions } from './api/options.ts';
import { checkLocalBackupPlace } from './pull/pull-deletions.ts';
import { freshPull, type PullTask } from './pull/pull-fresh.ts';
import { checkDestination } from './pull/pull-landing.ts';
import { discardLanded, publishAgreed, resumedPull } from './pull/pull-resume.ts';
import { isCloserLook, otherThanAsked } from './state/asked.ts';
import { keptCutsOf } from './state/kept-cuts-of.ts';
import type { TransferFolder } from './state/transfer-folder.ts';
import { droppedBy, metadataWishes } from './transfer/metadata-wishes.ts';
import { refuseListed } from './transfer/deletion-plan.ts';
import { forgettingWhatIsOver, giveUpIfUnlike } from './transfer/earlier-run.ts';
import { isStaleParts, tellStale, withFreshParts } from './transfer/stale-parts.ts';
import { summaryOf, type PassResult } from './transfer/pass-result.ts';
import { nothingToSelect } from './transfer/selecting.ts';
import { countsOf, inContext } from './transfer/transfer-context.ts';
import { inFolder, tellingOfCheckpoint } from './transfer/transfer-task.ts';

/**
 * Pulls a file or a tree. Running it again after any interruption goes on where it was.
 *
 * @param destination a directory for a tree; for a file its new path, or a directory where it lands under its name
 * @throws CairnError `not-found`, `transfer-locked`, `storage-unsupported`, `is-directory`, `not-directory`, network, session, storage and
 * integrity codes, the signal's reason; what was staged stays, unless it turned out to be wrong
 */
export async function pull(destination: string, options: TransferOptions): Promise<TransferSummary> {
  options.signal.throwIfAborted();
  const nothing = nothingToSelect('pull', options);
  if (nothing !== undefined) return nothing;
  refuseListed(options);
  await checkDestination(destination);
  checkLocalBackupPlace(options, destination);
  const local = [resolve(destination)];
  return inFolder(options, { direction: 'pull', local }, (folder) => {
    const isBegun = (): boolean => folder.record !== undefined;
    return tellingOfCheckpoint(options, isBegun, () => pullLocked(folder, { destination, local }, options));
  });
}

async function pullLocked(
  folder: TransferFolder,
  { destination, local }: { destination: string; local: readonly string[] },
  options: TransferOptions,
): Promise<TransferSummary> {
  const { report, dryRun } = options;
  if (folder.wasDamaged)
    report({ type: 'notice', message: 'the record of an earlier run is damaged; this run starts over' });
  const startMs = performance.now();
  const isAsAsked = folder.record === undefined || otherThanAsked(folder.record, options) === undefined;
  const isToBeCompared = isCloserLook(folder.record, options);
  const published = dryRun === true || !isAsAsked ? undefined : await publishAgreed(folder, options);
  const isMirrored = options.mirror === undefined || published?.deleted !== undefined;
  if (published !== undefined && !isToBeCompared && isMirrored) {
    await folder.clear();
    report({
      type: 'notice',
      message: 'an earlier run had fetched and verified everything; it was put in its place',
    });
    const durationMs = Math.round(performance.now() - startMs);
    const dropped = (options.metadata ?? []).length === 0 ? undefined : 0;
    const counts = { bytesMoved: 0, bytesSaved: 0, retries: 0, resumes: 0, durationMs, dropped };
    return summaryOf('pull', [published], 0, counts);
  }
  return inContext({ ...options, hasBegun: () => folder.record !== undefined }, async (context) => {
    const wishes = await metadataWishes(options, 'pull', context.server);
    const metadata = wishes.kinds;
    const task = { context, options, folder, destination, local, isToBeCompared, metadata };
    if (published !== undefined) await folder.clear();
    if (dryRun !== true) await giveUpIfUnlike(task, () => forget(task));
    const { results, notices } = await runPasses(task);
    const dropped = droppedBy(wishes, options, results.at(-1)!);
    return summaryOf('pull', results, notices, { ...countsOf(context), dropped });
  });
}

async function runPasses(task: PullTask): Promise<{ results: PassResult[]; notices: number }> {
  const isDry = task.options.dryRun === true;
  const unlessOver = <T>(pass: () => Promise<T>): Promise<T> =>
    forgettingWhatIsOver(task.folder, () => forget(task), pass);
  const earlier = isDry ? undefined : await unlessStaleNow(task, () => unlessOver(() => resumedPull(task)));
  if (earlier !== undefined) await forget(task);
  const fresh = await withFreshParts(
    task,
    () => forgetStale(task),
    (now) => unlessOver(() => freshPull(now, earlier)),
  );
  if (!isDry && fresh.result !== undefined) await forget(task);
  const results = [earlier, fresh.result].filter((result) => result !== undefined);
  return { results, notices: fresh.notices };
}

/** An earlier pass whose older versions of files have changed is given up: a fresh one compares again. */
async function unlessStaleNow<Result>(
  task: PullTask,
  pass: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await pass();
  } catch (error) {
    if (!isStaleParts(error)) throw error;
    tellStale(task.context);
    await forgetStale(task);
    return undefined;
  }
}

/** What was kept of the older versions may be wrong, too. */
async function forgetStale(task: PullTask): Promise<void> {
  await keptCutsOf(task.options).clear();
  await forget(task);
}

/** Removes the record, and first what was staged: a crash in between leaves a record that finds nothing. */
async function forget({ folder }: PullTask): Promise<void> {
  const { record } = folder;
  if (record !== undefined && record.landing !== null) await discardLanded(record.landing, folder.stagingId);
  await folder.clear();
}
