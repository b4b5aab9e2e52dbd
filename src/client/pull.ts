/** `cairn pull URL DEST`: finishes what an earlier run began, then brings what is new. */
import { resolve } from 'node:path';
import { CairnError } from '../base/errors.ts';
import type { TransferSummary } from './api/events.ts';
import type { TransferOptions } from './api/options.ts';
import { freshPull, type PullTask } from './pull/pull-fresh.ts';
import { checkDestination } from './pull/pull-landing.ts';
import { discardLanded, publishAgreed, resumedPull } from './pull/pull-resume.ts';
import { summaryOf, type PassResult } from './transfer/pass-result.ts';
import { isSessionGone } from './session/session-gone.ts';
import { countsOf, openContext } from './transfer/transfer-context.ts';
import { tellingWhatIsKept } from './state/kept.ts';
import { openTransferFolder, unkeptFolder, type TransferFolder } from './state/transfer-folder.ts';
import { isCloserLook, otherThanAsked } from './state/asked.ts';
import { giveUpSession } from './session/give-up.ts';

/**
 * Pulls a file or a tree. Running it again after any interruption goes on where it was.
 *
 * @param destination a directory for a tree; for a file its new path, or a directory where it lands under its name
 * @throws CairnError `not-found`, `transfer-locked`, `storage-unsupported`, `is-directory`, `not-directory`, network, session, storage and
 * integrity codes, the signal's reason; what was staged stays, unless it turned out to be wrong
 */
export async function pull(destination: string, options: TransferOptions): Promise<TransferSummary> {
  options.signal.throwIfAborted();
  await checkDestination(destination);
  const local = [resolve(destination)];
  const identity = { direction: 'pull', url: options.url, local } as const;
  const folder =
    options.dryRun === true ? unkeptFolder(identity) : await openTransferFolder(options.stateHome, identity);
  try {
    const isKept = (): boolean => options.dryRun !== true && folder.record !== undefined;
    options.onStart?.(isKept);
    return await tellingWhatIsKept(isKept, () => pullLocked(folder, { destination, local }, options));
  } finally {
    await folder.close();
  }
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
  if (published !== undefined && !isToBeCompared) {
    await folder.clear();
    report({
      type: 'notice',
      message: 'an earlier run had fetched and verified everything; it was put in its place',
    });
    const durationMs = Math.round(performance.now() - startMs);
    const counts = { bytesMoved: 0, bytesSaved: 0, retries: 0, resumes: 0, durationMs };
    return summaryOf('pull', [published], 0, counts);
  }
  const context = await openContext({ ...options, hasBegun: () => folder.record !== undefined });
  try {
    const task = { context, options, folder, destination, local, isToBeCompared };
    if (published !== undefined) await folder.clear();
    if (!isAsAsked) await startOver(task);
    const { results, notices } = await runPasses(task);
    return summaryOf('pull', results, notices, countsOf(context));
  } finally {
    await context.close();
  }
}

async function runPasses(task: PullTask): Promise<{ results: PassResult[]; notices: number }> {
  const { options } = task;
  const earlier =
    options.dryRun === true ? undefined : await forgettingWhatIsOver(task, () => resumedPull(task));
  if (earlier !== undefined) await forget(task);
  const fresh = await forgettingWhatIsOver(task, () => freshPull(task, earlier));
  if (options.dryRun !== true && fresh.result !== undefined) await forget(task);
  const results = [earlier, fresh.result].filter((result) => result !== undefined);
  return { results, notices: fresh.notices };
}

/** What this run asks for is not what was begun. */
async function startOver(task: PullTask): Promise<void> {
  const { context, folder, options } = task;
  const { record } = folder;
  if (record === undefined || options.dryRun === true) return;
  const message = otherThanAsked(record, options);
  if (message !== undefined) context.report({ type: 'notice', message });
  await giveUpSession(context, record.session);
  await forget(task);
}

/** Removes the record, and first what was staged: a crash in between leaves a record that finds nothing. */
async function forget({ folder }: PullTask): Promise<void> {
  const { record } = folder;
  if (record !== undefined && record.landing !== null) await discardLanded(record.landing, folder.stagingId);
  await folder.clear();
}

/** What does not fit together is thrown away; a session that is gone takes its record with it, and leaves the bytes. */
async function forgettingWhatIsOver<T>(task: PullTask, pass: () => Promise<T>): Promise<T> {
  try {
    return await pass();
  } catch (error) {
    if (isSessionGone(error)) await task.folder.clear();
    else if (error instanceof CairnError && error.code === 'digest-mismatch') await forget(task);
    throw error;
  }
}
