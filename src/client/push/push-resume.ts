/** A pass of a push that goes on from its record, without a scan. */
import { CairnError } from '../../base/errors.ts';
import type { CheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { StringList } from '../../manifest/string-table.ts';
import { giveUpSession } from '../session/give-up.ts';
import { getCheckpoint } from '../session/session-calls.ts';
import type { SessionClient } from '../session/session-client.ts';
import { unlessGone } from '../session/session-gone.ts';
import type { Parts } from '../../manifest/parts-document.ts';
import { loadIdentities, loadManifest, loadParts } from '../state/kept-documents.ts';
import type { TransferRecord } from '../state/transfer-record.ts';
import { giveUpIfUnlike, resumeRecorded } from '../transfer/earlier-run.ts';
import { isUnrepeatable, type PassResult } from '../transfer/pass-result.ts';
import { softened } from '../transfer/transfer-context.ts';
import type { PushTask } from './push-fresh.ts';
import { openPushJournal } from './push-journal.ts';
import { runPushPass, type PushPassOptions } from './push-pass.ts';
import { haveRulesChanged } from './rule-files.ts';
import type { EarlierState } from './server-chunks.ts';

/**
 * Finishes the transfer in the folder's record. Undefined where there is none, or none that can be gone on with: then
 * a fresh pass starts over.
 *
 * @throws CairnError like {@link runPushPass}; `journal-version` for a record of a newer cairn
 */
export async function resumedPass(task: PushTask): Promise<PassResult | undefined> {
  const { folder } = task;
  const { record } = folder;
  if (record === undefined || (await giveUpIfUnlike(task, () => folder.clear()))) return undefined;
  if (await isUnderOtherRules(task, record)) {
    await giveUpSession(task.context, record.session);
    return startOver(task, OTHER_RULES);
  }
  const kept = await loadKept(task, record);
  if (kept === undefined)
    return startOver(task, 'the checkpoint of an earlier run is damaged; this run starts over');
  const { log } = kept;
  const resumed = await closingOnFailure(log, () => unlessGone(() => resume(task, record)));
  if (resumed === undefined) return startOver(task, GONE, log);
  const { session, earlier, isPublished } = resumed;
  if (isPublished && log.note['commit'] === undefined) return startOver(task, PUBLISHED, log);
  const isPlanLost = earlier !== 'committing' && earlier.plan === null;
  if (isPlanLost || session.terms.manifestId !== record.manifestId) return startOver(task, PLAN_LOST, log);
  try {
    const { manifest, identities, assemblies } = kept;
    const plan = { ...record.plan, assemblies };
    return await passOf(task, { manifest, identities, log, session, earlier, plan });
  } catch (error) {
    // Another client had the last word on what was left out.
    if (isPublished && error instanceof CairnError && error.code === 'digest-mismatch')
      return startOver(task, PUBLISHED);
    throw error;
  }
}

const GONE = 'the server no longer has the unfinished transfer; this run starts over';
const OTHER_RULES =
  'the .cairnignore files in the source have changed since the unfinished transfer began; this run starts over';
const PLAN_LOST = 'the server has lost the plan of the unfinished transfer; this run starts over';
const PUBLISHED =
  'another client has finished the unfinished transfer; this run pushes what has changed since';

/** What rules leave out now must not arrive any more. */
async function isUnderOtherRules({ source }: PushTask, { ruleFiles }: TransferRecord): Promise<boolean> {
  return ruleFiles !== undefined && haveRulesChanged(ruleFiles, (path) => source.locate(path));
}

/** What the server says of an earlier run. */
interface Resumed {
  readonly session: SessionClient;
  readonly earlier: Exclude<EarlierState, undefined>;
  readonly isPublished: boolean;
}

async function resume(task: PushTask, record: TransferRecord): Promise<Resumed> {
  const session = await resumeRecorded(task, record, { sync: task.options.sync });
  const { state } = session.terms;
  const isPublished = state === 'committed';
  const isCommitting = isPublished || state === 'committing';
  return { session, isPublished, earlier: isCommitting ? 'committing' : await session.run(getCheckpoint) };
}

async function passOf(
  { context, folder, source, options }: PushTask,
  begun: Pick<PushPassOptions, 'manifest' | 'identities' | 'log' | 'session' | 'earlier' | 'plan'>,
): Promise<PassResult> {
  const { terms } = begun.session;
  context.report({ type: 'resumed', epoch: terms.epoch, bytesResumed: 0 });
  const { forceReplace, backupDirectory } = options;
  const report = softened(context.report);
  const pass = { ...begun, context, folder, source, report, forceReplace, backupDirectory };
  const result = await runPushPass(pass);
  return { ...result, isUnrepeatable: isUnrepeatable(terms) };
}

interface Kept {
  readonly manifest: Manifest;
  readonly identities: StringList;
  readonly log: CheckpointLog;
  readonly assemblies: Parts | undefined;
}

async function loadKept({ folder }: PushTask, record: TransferRecord): Promise<Kept | undefined> {
  const tree = await folder.loadDocument('manifest');
  const lines = await folder.loadDocument('identities');
  if (tree === undefined || lines === undefined) return undefined;
  const manifest = await loadManifest(tree);
  const identities = await loadIdentities(lines);
  if (manifest?.id !== record.manifestId || identities?.length !== manifest.entries.length) return undefined;
  const { parts: id } = record.plan;
  const partLines = id === undefined ? undefined : await folder.loadDocument('parts');
  const assemblies = partLines === undefined ? undefined : await loadParts(partLines, manifest, id);
  if (id !== undefined && assemblies === undefined) return undefined;
  try {
    return { manifest, identities, assemblies, log: await openPushJournal(folder, manifest) };
  } catch (error) {
    if (error instanceof CairnError && error.code === 'journal-corrupt') return undefined;
    throw error;
  }
}

async function closingOnFailure<Result>(log: CheckpointLog, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await log.close();
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
