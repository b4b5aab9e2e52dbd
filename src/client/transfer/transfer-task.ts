/** One transfer of files: its options, and where it is kept until it is over. */
import type { TransferSummary } from '../api/events.ts';
import type { TransferOptions } from '../api/options.ts';
import { tellingWhatIsKept } from '../state/kept.ts';
import { openTransferFolder, unkeptFolder, type TransferFolder } from '../state/transfer-folder.ts';
import { newRecord, type NewRecord, type TransferIdentity } from '../state/transfer-record.ts';
import { layoutOf, type PartsPlan } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import { skippedBytes } from './pass-result.ts';
import type { TransferContext } from './transfer-context.ts';

/** A transfer that a run works on. */
export interface TransferTask {
  readonly context: TransferContext;
  readonly options: TransferOptions;
  readonly folder: TransferFolder;
  /** Absolute local paths. */
  readonly local: readonly string[];
}

/** Works in the folder of a transfer, which is locked meanwhile; a dry run has one that keeps nothing. */
export async function inFolder<Result>(
  options: TransferOptions,
  identity: Omit<TransferIdentity, 'url'>,
  work: (folder: TransferFolder) => Promise<Result>,
): Promise<Result> {
  const { url, stateHome, dryRun } = options;
  const full = { ...identity, url };
  const folder = dryRun === true ? unkeptFolder(full) : await openTransferFolder(stateHome, full);
  try {
    return await work(folder);
  } finally {
    await folder.close();
  }
}

/** Carries out a transfer whose failures say whether a checkpoint is left; `isBegun` asks for that. */
export function tellingOfCheckpoint(
  { dryRun, onStart }: TransferOptions,
  isBegun: () => boolean,
  work: () => Promise<TransferSummary>,
): Promise<TransferSummary> {
  const isKept = (): boolean => dryRun !== true && isBegun();
  onStart?.(isKept);
  return tellingWhatIsKept(isKept, work);
}

/** Saves the record of a transfer that begins now: what both sides have agreed on, and where a pull lands. */
export function saveRecord(
  { folder, options, local }: TransferTask,
  { terms: session }: SessionClient,
  agreed: Pick<NewRecord, 'direction' | 'manifest' | 'landing' | 'leftOut' | 'excluded' | 'ruleFiles'> & {
    readonly plan: PartsPlan;
  },
): Promise<void> {
  const { manifest, plan } = agreed;
  const bytesTotal = layoutOf(manifest, plan).bytesTotal ?? 0;
  const bytesSkipped = skippedBytes(manifest, plan);
  return folder.save(newRecord({ ...agreed, options, local, session, bytesTotal, bytesSkipped }));
}
