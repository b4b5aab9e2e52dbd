/** What a run would do with each entry, told and not done. */
import { printable } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Comparison } from '../../wire/messages.ts';
import type { Change, Report } from '../api/events.ts';
import { leftOutAs, reportLeftOut } from '../session/left-out-entries.ts';
import type { SessionClient } from '../session/session-client.ts';
import { tellWouldDelete, type DeletionPlan } from './deletion-plan.ts';
import { conflictsThere, type Conflicts, type ThereNow } from './dry-run-conflicts.ts';
import { emptyResult, type PassPlan, type PassResult } from './pass-result.ts';

/** The state of the other side before anything is done, as far as it is known. */
export interface Outlook {
  readonly plan: PassPlan;
  /** Undefined where nothing was there to compare with. */
  readonly comparison: Comparison | undefined;
  readonly there: ThereNow;
  /** Of a mirror: what it deletes. */
  readonly deletions: DeletionPlan | undefined;
  readonly forceReplace: boolean | undefined;
  /** What to call the entry that is the whole transfer. */
  readonly name: string;
}

/** Ends a dry run: reports every entry with which something would happen, and lets go of the session. */
export async function endDryRun(
  report: Report,
  session: SessionClient,
  manifest: Manifest,
  outlook: Outlook,
): Promise<PassResult> {
  const { plan, there, deletions, forceReplace = false } = outlook;
  const have = ChunkSet.fromRuns(plan.have, manifest.entries.length);
  const isPresent = (index: number): boolean => have.has(index);
  const list = deletions?.list;
  const conflicts = await conflictsThere(manifest.entries, isPresent, there, {
    forceReplace,
    deleted: list && new Set(Array.from(list.entries, ({ path }) => path)),
    keepsExisting: session.terms.existing === 'kept',
  });
  const leftOut = reportLeftOut(leftOutAs(conflicts.leftOut), manifest, { isPresent, report, isTold: true });
  tellOutlook(report, manifest, outlook, conflicts);
  for (const { path, type: kind, sizeBytes } of conflicts.gone)
    report({ type: 'would', path: printable(path), kind, change: 'delete', sizeBytes });
  const deleted = deletions && tellWouldDelete(deletions, conflicts.leftOut, report);
  await session.abandon();
  return { ...emptyResult(manifest, plan, null), leftOut, deleted };
}

function tellOutlook(
  report: Report,
  { entries }: Manifest,
  { plan, comparison, there, name }: Outlook,
  { leftOut, unknown }: Conflicts,
): void {
  const set = (runs: readonly number[]): ChunkSet => ChunkSet.fromRuns(runs, entries.length);
  const [have, attributes] = [set(plan.have), set(plan.attributes)];
  const candidates = set(comparison?.candidates ?? []);
  const changeOf = (index: number): Change | undefined => {
    if (attributes.has(index)) return 'attributes';
    if (have.has(index) || leftOut.has(index)) return undefined;
    if (candidates.has(index)) return 'same-size';
    if (!there.isKnown || unknown.has(index)) return 'unknown';
    return there.typeOf(entries.pathOf(index)) === undefined ? 'new' : 'changed';
  };
  for (let index = 0; index < entries.length; index += 1) {
    const change = changeOf(index);
    if (change === undefined) continue;
    const path = printable(entries.pathOf(index) || name);
    report({ type: 'would', path, kind: entries.typeOf(index), change, sizeBytes: entries.sizeOf(index) });
  }
}
