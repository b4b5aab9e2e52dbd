/** `cairn push SOURCE... URL`: finishes what an earlier run began, then brings the rest. */
import { resolve } from 'node:path';
import { CairnError } from '../base/errors.ts';
import { checkRelativePath, printable } from '../base/safe-path.ts';
import { createManifest } from '../manifest/manifest.ts';
import type { MetadataKind } from '../manifest/metadata.ts';
import type { TransferSummary } from './api/events.ts';
import type { TransferOptions } from './api/options.ts';
import { checkBackupPlace, checkDeletes } from './push/push-deletions.ts';
import { isStaleParts, tellStale, withFreshParts } from './transfer/stale-parts.ts';
import { smallerThanRefused, withFittingChunks } from './push/fitting-chunks.ts';
import { freshPass, type PushTask } from './push/push-fresh.ts';
import { resumedPass } from './push/push-resume.ts';
import { openSource, type ScannedSource } from './push/source.ts';
import { NO_EARLIER_RUNS, openEarlierRuns, type EarlierRuns, type OwnRun } from './push/take-over.ts';
import { lookAtTarget } from './push/unchanged.ts';
import { isCloserLook } from './state/asked.ts';
import { droppedBy, metadataWishes, tellUncarried } from './transfer/metadata-wishes.ts';
import { protectsUnselected, refuseListed } from './transfer/deletion-plan.ts';
import { forgettingWhatIsOver } from './transfer/earlier-run.ts';
import { summaryOf, tellNotices, type PassResult } from './transfer/pass-result.ts';
import { nothingSelected, nothingToSelect, tellUnselected } from './transfer/selecting.ts';
import { countsOf, inContext } from './transfer/transfer-context.ts';
import { inFolder, tellingOfCheckpoint } from './transfer/transfer-task.ts';

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
  refuseListed(options);
  const nothing = nothingToSelect('push', options);
  if (nothing !== undefined) return nothing;
  const local = sources.map((source) => resolve(source));
  const source = await openSource(sources, options);
  try {
    if (options.mirror !== undefined && source.fileName !== undefined) throw noTree(source.fileName);
    return await inFolder(options, { direction: 'push', local }, (folder) =>
      pushLocked({ source, folder, local }, options),
    );
  } finally {
    await source.close();
  }
}

/** With what earlier runs have left of it, locked as well. */
async function pushLocked(own: OwnRun, options: TransferOptions): Promise<TransferSummary> {
  const earlier = options.dryRun === true ? NO_EARLIER_RUNS : await openEarlierRuns(own, options);
  try {
    const isAnyBegun = (): boolean => isBegun([own, ...earlier.taken]);
    return await tellingOfCheckpoint(options, isAnyBegun, () => pushAfter(earlier, own, options));
  } finally {
    await earlier.close();
  }
}

function noTree(name: string): CairnError {
  const message = `"${printable(name)}" is no directory: --delete is for directories; it deletes what they have and the source does not`;
  return new CairnError('usage', message);
}

/** Whether anything of them outlives this process. */
function isBegun(runs: readonly OwnRun[]): boolean {
  return runs.some(({ folder }) => folder.record !== undefined);
}

async function pushAfter(
  { taken, notices: lines }: EarlierRuns,
  own: OwnRun,
  options: TransferOptions,
): Promise<TransferSummary> {
  const notify = (message: string): void => options.report({ type: 'notice', message });
  if (own.folder.wasDamaged) notify('the record of an earlier run is damaged; this run starts over');
  lines.forEach(notify);
  const runs = [own, ...taken];
  return inContext({ ...options, hasBegun: () => isBegun(runs) }, async (context) => {
    const { mirror, backupDirectory } = options;
    if (mirror !== undefined || backupDirectory !== undefined) checkDeletes(context.server);
    if (mirror !== undefined && backupDirectory !== undefined)
      checkBackupPlace(backupDirectory, context.server.target, protectsUnselected(options));
    const wishes = await metadataWishes(options, 'push', context.server);
    const metadata = wishes.kinds;
    const [task, ...before] = runs.map((run): PushTask => {
      const target = targetOf(context.server.target, run.source.fileName);
      return { context, options, target, metadata, ...run };
    });
    const { results, notices, unselected } = await runPasses(task!, before);
    const dropped = droppedBy(wishes, options, results.at(-1)!);
    return { ...summaryOf('push', results, notices, { ...countsOf(context), dropped }), unselected };
  });
}

/** The target of a file that goes below a URL with a slash is there under its own name. */
function targetOf(target: string, fileName: string | undefined): string {
  if (fileName === undefined || !target.endsWith('/')) return target;
  return `${target}${encodeURIComponent(checkRelativePath(fileName))}`;
}

/** What the passes of a run did. */
interface Passes {
  readonly results: PassResult[];
  /** Entries that could not even be listed. */
  readonly notices: number;
  readonly unselected: number;
}

/** @param before unfinished ones that this run takes over */
async function runPasses(task: PushTask, before: readonly PushTask[]): Promise<Passes> {
  const { options } = task;
  const isToBeCompared = [task, ...before].some(({ folder }) => isCloserLook(folder.record, options));
  const { results, chunkSizeBytes } =
    options.dryRun === true ? NOTHING_BEFORE : await finishEarlier([task, ...before]);
  const last = results.at(-1);
  const { scanned, unchanged } = await scan(task, last === undefined);
  const found = { notices: scanned.notices.length, unselected: scanned.unselected };
  // The transfer of an earlier run deletes nothing: only a scan of now tells what the source does not have.
  const isDone = !isToBeCompared && options.mirror === undefined;
  if (last !== undefined && isDone && isUpToDate(last, scanned, task.metadata)) return { results, ...found };
  if (last?.isUnrepeatable === true) return endWith(task, { results, ...found });
  const distrusted = new Set(results.flatMap(({ excluded }) => [...excluded]));
  const bring = (size: number | undefined): Promise<PassResult> =>
    withFreshParts(
      task,
      () => task.folder.clear(),
      (now) => unlessOver(task, () => freshPass(withChunkSize(now, size), scanned, distrusted)),
    );
  const around = { report: options.report, forget: () => task.folder.clear() };
  const fresh =
    unchanged ?? (await withFittingChunks(bring, chunkSizeBytes ?? options.chunkSizeBytes, around));
  if (options.dryRun !== true) await task.folder.clear();
  return { results: [...results, fresh], ...found };
}

/** What earlier runs have left, brought to its end. */
interface Earlier {
  readonly results: PassResult[];
  /** Of the chunks that may be tried anew; undefined for the wished or usual one. */
  readonly chunkSizeBytes: number | undefined;
}

const NOTHING_BEFORE: Earlier = { results: [], chunkSizeBytes: undefined };

/** One after the other, so that each is published, and forgotten, before the next. */
async function finishEarlier(tasks: readonly PushTask[]): Promise<Earlier> {
  const results: PassResult[] = [];
  let chunkSizeBytes: number | undefined;
  for (const task of tasks) {
    try {
      const result = await unlessOver(task, () => resumedPass(task));
      if (result === undefined) continue;
      results.push(result);
    } catch (error) {
      chunkSizeBytes = smallerThanRefused(error);
      if (isStaleParts(error)) tellStale(task.context);
      else if (chunkSizeBytes === undefined) throw error;
    }
    await task.folder.clear();
  }
  return { results, chunkSizeBytes };
}

function withChunkSize(task: PushTask, chunkSizeBytes: number | undefined): PushTask {
  return chunkSizeBytes === undefined ? task : { ...task, options: { ...task.options, chunkSizeBytes } };
}

/** Sent once more, these files would be there twice, or be refused. */
function endWith({ context }: PushTask, passes: Passes): Passes {
  const message =
    'some files have changed since the interrupted run began; the access token only adds, so they were not sent again: push them separately';
  context.report({ type: 'warning', code: 'source-changed', path: '', message });
  return { ...passes, notices: passes.notices + 1 };
}

interface Scan {
  readonly scanned: ScannedSource;
  /** Where all of it is there already. */
  readonly unchanged: PassResult | undefined;
}

async function scan(task: PushTask, isFirst: boolean): Promise<Scan> {
  const { context, options, source, target, local, metadata } = task;
  const { report } = context;
  report({ type: 'phase', phase: 'scanning' });
  const isPlain = options.dryRun !== true && options.checksum !== true;
  const mayBeUnchanged = isFirst && isPlain && local.length === 1;
  const look = mayBeUnchanged ? lookAtTarget(context, target, metadata) : undefined;
  try {
    const onUnselected = tellUnselected(context, options);
    const scanned = await source.scan(context.signal, { onFound: look?.found, onUnselected, metadata });
    tellNotices(report, scanned.notices);
    tellUncarried(report, scanned.uncarried);
    if (scanned.entries.length === 0) return { scanned, unchanged: nothingSelected(report) };
    const same = await look?.unchanged(scanned);
    if (same === undefined || options.mirror === undefined) return { scanned, unchanged: same };
    // The target has nothing else.
    return { scanned, unchanged: { ...same, deleted: { entries: 0, bytes: 0, undeleted: 0 } } };
  } finally {
    look?.end();
  }
}

/** Whether nothing has changed since the scan whose transfer was just finished. */
function isUpToDate(
  earlier: PassResult,
  { entries }: ScannedSource,
  metadata: readonly MetadataKind[],
): boolean {
  const { chunkSizeBytes, digest, id } = earlier.manifest;
  return (
    earlier.excluded.size === 0 && createManifest({ chunkSizeBytes, digest, metadata }, entries).id === id
  );
}

/** A pass; the record of one that cannot be gone on with goes away. */
function unlessOver<Result>({ folder }: PushTask, pass: () => Promise<Result>): Promise<Result> {
  return forgettingWhatIsOver(folder, () => folder.clear(), pass);
}
