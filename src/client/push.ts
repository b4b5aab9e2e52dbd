/** `cairn push SOURCE... URL`: finishes what an earlier run began, then brings what is new. */
import { resolve } from 'node:path';
import { CairnError } from '../base/errors.ts';
import { checkRelativePath, printable } from '../base/safe-path.ts';
import { createManifest } from '../manifest/manifest.ts';
import type { TransferSummary } from './events.ts';
import type { TransferOptions } from './options.ts';
import { isCloserLook } from './record/asked.ts';
import { freshPass, type PushTask } from './push/push-fresh.ts';
import { summaryOf, type PassResult } from './transfer/pass-result.ts';
import { resumedPass } from './push/push-resume.ts';
import { isSessionGone } from './session/session-gone.ts';
import { smallerThanRefused, withFittingChunks } from './push/fitting-chunks.ts';
import { openSource, type LocalSource, type ScannedSource } from './push/source.ts';
import { lookAtTarget } from './push/unchanged.ts';
import { countsOf, openContext } from './transfer/transfer-context.ts';
import { tellingWhatIsKept } from './record/kept.ts';
import { openTransferFolder, unkeptFolder, type TransferFolder } from './record/transfer-folder.ts';

/**
 * Pushes files and directories. Running it again after any interruption goes on where it was.
 *
 * @param sources one directory, whose entries land at the URL; one file, which lands exactly there, or under its name
 * where the URL ends with a slash; or several of both, which land under their names
 * @throws CairnError `source-missing`, `transfer-locked`, network, session, storage and integrity codes, the signal's
 * reason; everything that is not an integrity or session code leaves a checkpoint behind
 */
export async function push(sources: readonly string[], options: TransferOptions): Promise<TransferSummary> {
  options.signal.throwIfAborted();
  const local = sources.map((source) => resolve(source));
  const source = await openSource(sources, options.stateHome, options.chmod?.change);
  try {
    const identity = { direction: 'push', url: options.url, local } as const;
    const folder =
      options.dryRun === true
        ? unkeptFolder(identity)
        : await openTransferFolder(options.stateHome, identity);
    try {
      const isKept = (): boolean => options.dryRun !== true && folder.record !== undefined;
      options.onStart?.(isKept);
      return await tellingWhatIsKept(isKept, () => pushLocked({ source, folder, local }, options));
    } finally {
      await folder.close();
    }
  } finally {
    await source.close();
  }
}

async function pushLocked(
  { source, folder, local }: { source: LocalSource; folder: TransferFolder; local: readonly string[] },
  options: TransferOptions,
): Promise<TransferSummary> {
  if (folder.wasDamaged)
    options.report({
      type: 'notice',
      message: 'the record of an earlier run is damaged; this run starts over',
    });
  const context = await openContext({ ...options, hasBegun: () => folder.record !== undefined });
  try {
    const target = targetOf(context.server.target, source.fileName);
    const task: PushTask = { context, options, source, folder, target, local };
    const { results, notices } = await runPasses(task);
    return summaryOf('push', results, notices, countsOf(context));
  } finally {
    await context.close();
  }
}

/** The target of a file that goes below a URL with a slash is there under its own name. */
function targetOf(target: string, fileName: string | undefined): string {
  if (fileName === undefined || !target.endsWith('/')) return target;
  return `${target}${encodeURIComponent(checkRelativePath(fileName))}`;
}

async function runPasses(task: PushTask): Promise<{ results: PassResult[]; notices: number }> {
  const { folder, options } = task;
  const isToBeCompared = isCloserLook(folder.record, options);
  const { earlier, chunkSizeBytes } = options.dryRun === true ? NOTHING_BEFORE : await finishEarlier(task);
  if (earlier !== undefined) await folder.clear();
  const { scanned, unchanged } = await scan(task, earlier === undefined);
  const { notices } = scanned;
  if (earlier !== undefined && !isToBeCompared && isUpToDate(earlier, scanned))
    return { results: [earlier], notices: notices.length };
  if (earlier?.isUnrepeatable === true) return endWith(task, earlier, notices.length);
  const bring = (size: number | undefined): Promise<PassResult> =>
    forgettingWhatIsOver(task, () => freshPass(withChunkSize(task, size), scanned, earlier?.excluded));
  const around = { report: options.report, forget: () => folder.clear() };
  const fresh =
    unchanged ?? (await withFittingChunks(bring, chunkSizeBytes ?? options.chunkSizeBytes, around));
  if (options.dryRun !== true) await folder.clear();
  return { results: earlier === undefined ? [fresh] : [earlier, fresh], notices: notices.length };
}

/** What an earlier run has left, brought to its end. */
interface Earlier {
  readonly earlier: PassResult | undefined;
  /** Of the chunks that may be tried anew; undefined for the wished or usual one. */
  readonly chunkSizeBytes: number | undefined;
}

const NOTHING_BEFORE: Earlier = { earlier: undefined, chunkSizeBytes: undefined };

async function finishEarlier(task: PushTask): Promise<Earlier> {
  try {
    const earlier = await forgettingWhatIsOver(task, () => resumedPass(task));
    return { earlier, chunkSizeBytes: undefined };
  } catch (error) {
    const chunkSizeBytes = smallerThanRefused(error);
    if (chunkSizeBytes === undefined) throw error;
    await task.folder.clear();
    return { earlier: undefined, chunkSizeBytes };
  }
}

function withChunkSize(task: PushTask, chunkSizeBytes: number | undefined): PushTask {
  return chunkSizeBytes === undefined ? task : { ...task, options: { ...task.options, chunkSizeBytes } };
}

/** Sent once more, what is there already would be there twice, or be refused. */
function endWith(
  { context }: PushTask,
  earlier: PassResult,
  notices: number,
): { results: PassResult[]; notices: number } {
  const message =
    'some files have changed since the interrupted run began; the access token only adds, so they were not sent again: push them by themselves';
  context.report({ type: 'warning', code: 'source-changed', path: '', message });
  return { results: [earlier], notices: notices + 1 };
}

interface Scan {
  readonly scanned: ScannedSource;
  /** Where all of it is there already. */
  readonly unchanged: PassResult | undefined;
}

async function scan({ context, options, source, target, local }: PushTask, isFirst: boolean): Promise<Scan> {
  const { report } = context;
  report({ type: 'phase', phase: 'scanning' });
  const isPlain = options.dryRun !== true && options.checksum !== true;
  const mayBeUnchanged = isFirst && isPlain && local.length === 1;
  const look = mayBeUnchanged ? lookAtTarget(context, target) : undefined;
  try {
    const scanned = await source.scan(context.signal, look?.found);
    for (const { code, path, message } of scanned.notices)
      report({ type: 'warning', code, path: printable(path), message });
    return { scanned, unchanged: await look?.unchanged(scanned) };
  } finally {
    look?.end();
  }
}

/** Whether nothing has changed since the scan whose transfer was just finished. */
function isUpToDate(earlier: PassResult, scanned: ScannedSource): boolean {
  const { chunkSizeBytes, digest, id } = earlier.manifest;
  return earlier.excluded.size === 0 && createManifest({ chunkSizeBytes, digest }, scanned.entries).id === id;
}

/** A record of what cannot be gone on with would only be in the way of the next run. */
async function forgettingWhatIsOver<T>({ folder }: PushTask, pass: () => Promise<T>): Promise<T> {
  try {
    return await pass();
  } catch (error) {
    const isOver = isSessionGone(error) || (error instanceof CairnError && error.code === 'digest-mismatch');
    if (isOver) await folder.clear();
    throw error;
  }
}
