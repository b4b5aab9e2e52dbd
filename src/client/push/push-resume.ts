/** A pass of a push that goes on from its record, without a scan. */
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { CairnError } from '../../base/errors.ts';
import { DIGEST_LENGTH_BYTES } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { otherThanAsked } from '../state/asked.ts';
import { loadIdentities, loadManifest } from '../state/documents.ts';
import { isUnrepeatable, type PassResult } from '../transfer/pass-result.ts';
import { runPushPass } from './push-pass.ts';
import type { PushTask } from './push-fresh.ts';
import { giveUpSession } from '../session/give-up.ts';
import { getCheckpoint } from '../session/session-calls.ts';
import { openSession } from '../session/session-client.ts';
import { isSessionGone } from '../session/session-gone.ts';
import { softened } from '../transfer/transfer-context.ts';
import type { TransferRecord } from '../state/transfer-record.ts';

/**
 * Finishes the transfer in the folder's record. Undefined where there is none, or none that can be gone on with: then
 * a fresh pass starts over.
 *
 * @throws CairnError like {@link runPushPass}; `journal-version` for a record of a newer cairn
 */
export async function resumedPass(task: PushTask): Promise<PassResult | undefined> {
  const { context, folder, source, options } = task;
  const { record } = folder;
  if (record === undefined) return undefined;
  const unlike = otherThanAsked(record, options);
  if (unlike !== undefined) {
    await giveUpSession(context, record.session);
    return startOver(task, unlike);
  }
  const kept = await loadKept(task, record);
  if (kept === undefined)
    return startOver(task, 'what is kept of an earlier run is damaged; this run starts over');
  let isRunning = false;
  let isPublished = false;
  try {
    const session = await openSession(context, record.session, { sync: options.sync });
    await folder.update({ session: session.grant, resumeCommand: [...options.resumeCommand] });
    const { state, manifestId } = session.grant;
    isPublished = state === 'committed';
    if (isPublished && kept.log.note['commit'] === undefined)
      return await startOver(task, PUBLISHED, kept.log);
    const isCommitting = isPublished || state === 'committing';
    const earlier = isCommitting ? 'committing' : await session.run(getCheckpoint);
    if ((earlier !== 'committing' && earlier.plan === null) || manifestId !== record.manifestId) {
      return await startOver(
        task,
        'the server has lost the plan of the unfinished transfer; this run starts over',
        kept.log,
      );
    }
    const { epoch } = session.grant;
    isRunning = true;
    context.report({ type: 'resumed', epoch, bytesResumed: 0 });
    const { plan } = record;
    const result = await runPushPass({
      context,
      session,
      source,
      folder,
      plan,
      earlier,
      report: softened(context.report),
      forceReplace: task.options.forceReplace,
      ...kept,
    });
    return { ...result, isUnrepeatable: isUnrepeatable(session.grant) };
  } catch (error) {
    // Another client had the last word on what was left out.
    if (isPublished && error instanceof CairnError && error.code === 'digest-mismatch')
      return startOver(task, PUBLISHED, kept.log);
    if (isRunning || !isSessionGone(error)) {
      await kept.log.close();
      throw error;
    }
    return startOver(
      task,
      'the server no longer has the unfinished transfer; this run starts over',
      kept.log,
    );
  }
}

const PUBLISHED = 'another client has finished the unfinished transfer; this run looks for what is new since';

interface Kept {
  readonly manifest: Manifest;
  readonly identities: StringList;
  readonly log: CheckpointLog;
}

async function loadKept({ folder }: PushTask, record: TransferRecord): Promise<Kept | undefined> {
  const tree = await folder.loadDocument('manifest');
  const lines = await folder.loadDocument('identities');
  if (tree === undefined || lines === undefined) return undefined;
  const manifest = await loadManifest(tree);
  const identities = await loadIdentities(lines);
  if (manifest?.id !== record.manifestId || identities?.length !== manifest.entries.length) return undefined;
  try {
    const log = await folder.openJournal({
      manifestId: manifest.id,
      digestLengthBytes: DIGEST_LENGTH_BYTES[manifest.digest],
    });
    return { manifest, identities, log };
  } catch (error) {
    if (error instanceof CairnError && error.code === 'journal-corrupt') return undefined;
    throw error;
  }
}

async function startOver(
  { context, folder }: PushTask,
  message: string,
  log?: CheckpointLog,
): Promise<undefined> {
  context.report({ type: 'notice', message });
  await log?.close();
  await folder.clear();
}
