/** What a push writes down before it sends, so that the next run can go on without a scan. */
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { encodeParts } from '../../manifest/parts-document.ts';
import { encodeStrings } from '../../manifest/string-lines.ts';
import { encodeTree } from '../../wire/tree-stream.ts';
import { layoutOf, type PartsPlan } from '../session/plan-layout.ts';
import type { SessionClient } from '../session/session-client.ts';
import { saveRecord, type TransferTask } from '../transfer/transfer-task.ts';
import { openPushJournal } from './push-journal.ts';
import type { ScannedSource } from './source.ts';

/** What one pass is about. */
interface KeptPass {
  readonly manifest: Manifest;
  readonly scanned: ScannedSource;
  readonly plan: PartsPlan;
  /** The documents that {@link saveDocuments} writes already. */
  readonly documents: Promise<void> | undefined;
}

/**
 * Whether the documents can be written while the server compares: all will have to be sent, since nothing is at the
 * target, and no earlier run has left anything that they would replace.
 */
export function keepsAhead(
  { folder, options }: Pick<TransferTask, 'folder' | 'options'>,
  { terms }: Pick<SessionClient, 'terms'>,
): boolean {
  if (options.dryRun === true || terms.isTargetNew !== true || terms.resumed) return false;
  return folder.record === undefined && !folder.wasDamaged;
}

/** Writes the documents that do not depend on the plan. Without a record they are nothing to the next run. */
export async function saveDocuments(
  { folder }: Pick<TransferTask, 'folder'>,
  manifest: Manifest,
  { notices, identities }: Pick<ScannedSource, 'notices' | 'identities'>,
): Promise<void> {
  await folder.clear();
  await folder.saveDocument('manifest', encodeTree(manifest, notices));
  await folder.saveDocument('identities', encodeStrings(identities));
}

/**
 * Writes down all that the next run needs, and opens the checkpoint. Nothing, where no bytes are to be sent.
 *
 * @throws CairnError storage codes
 */
export async function keepPass(
  task: TransferTask,
  session: SessionClient,
  { manifest, scanned, plan, documents }: KeptPass,
): Promise<CheckpointLog | undefined> {
  const { folder } = task;
  await documents;
  if (layoutOf(manifest, plan).chunkCount === 0) return undefined;
  if (documents === undefined) await saveDocuments(task, manifest, scanned);
  if (plan.assemblies !== undefined) await folder.saveDocument('parts', encodeParts(plan.assemblies));
  const { ruleFiles } = scanned;
  const rules = ruleFiles && { ruleFiles: { ...ruleFiles, paths: [...ruleFiles.paths] } };
  const leftOut = { unlisted: scanned.notices.length, unselected: scanned.unselected };
  await saveRecord(task, session, { direction: 'push', manifest, plan, landing: null, leftOut, ...rules });
  return openPushJournal(folder, manifest);
}
