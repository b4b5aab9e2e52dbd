/** What a mirror deletes: decided once everything has come, told to the user, and carried out by whoever publishes. */
import { CairnError, isErrorCode, type ErrorCode } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { createDeletions, type Deletions } from '../../manifest/deletions.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { createSelector } from '../../manifest/selection.ts';
import type { DeletedEntries } from '../../session/pass-record.ts';
import type { Extras } from '../../wire/extras-stream.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import type { Report } from '../api/events.ts';
import type { MirrorWishes, TransferOptions } from '../api/options.ts';
import { chooseDeletions, isTooMany, protectsUnseen, type IsProtected } from './choose-deletions.ts';
import type { PassResult } from './pass-result.ts';

/** A pass that deletes. */
export interface Mirror {
  readonly wishes: MirrorWishes;
  readonly isProtected: IsProtected;
  /** Printable paths of what the sender could not read, or not even name. */
  readonly unseen: readonly string[];
}

/** The outcome of a pass that deletes, as its result has it. */
type Outcome = NonNullable<PassResult['deleted']>;

/** What is to be deleted; without a list nothing is. */
export interface DeletionPlan {
  readonly list: Deletions | undefined;
  /** How many entries of the destination stay that a mirror would not have, and why, where that is no wish. */
  readonly outcome: Outcome;
}

const NOTHING: Outcome = { entries: 0, bytes: 0, undeleted: 0, code: undefined };

/** The plan of a list that an earlier run has made. */
export function planOf(list: Deletions): DeletionPlan {
  return { list, outcome: NOTHING };
}

/** Protects what a selection leaves out, wherever it is. */
export function protectsUnselected({
  selection,
  wallClock = Date.now,
}: Pick<TransferOptions, 'selection' | 'wallClock'>): IsProtected {
  if (selection === undefined) return () => false;
  const selector = createSelector(selection, wallClock());
  return (entry) => selector.unselected(entry) !== undefined;
}

/** Refuses to delete what a list of paths does not name. @throws CairnError `usage` */
export function refuseListed({ mirror, selection }: Pick<TransferOptions, 'mirror' | 'selection'>): void {
  if (mirror === undefined || selection?.listed === undefined) return;
  const message =
    '--delete does not go together with --files-from: it would delete what the list does not name; leave one out';
  throw new CairnError('usage', message);
}

/** Makes the mirror of a pass; undefined where it deletes nothing. */
export function mirrorOf(
  { mirror: wishes }: Pick<TransferOptions, 'mirror'>,
  notices: readonly Notice[],
  isProtected: IsProtected = () => false,
): Mirror | undefined {
  if (wishes === undefined) return undefined;
  // What only has another time is carried.
  const unseen = notices.filter(({ code }) => code !== 'time-out-of-range').map(({ path }) => path);
  return { wishes, isProtected, unseen };
}

/** A plan that deletes nothing, where part of the source is not known; undefined where a list may be made. */
export function refusedForUnseen(mirror: Mirror, excluded: number, report: Report): DeletionPlan | undefined {
  const count = mirror.unseen.length + excluded;
  if (count === 0 || mirror.wishes.isAnyway) return undefined;
  const message = `nothing is deleted, because ${count} ${count === 1 ? 'entry' : 'entries'} of the source could not be read; --delete-anyway deletes all the same what is not in their place`;
  warn(report, 'partial', '.', message);
  return { list: undefined, outcome: { ...NOTHING, undeleted: 1, code: 'partial' } };
}

/** The facts of a run that decide whether it deletes at all. */
interface MirrorRun {
  /** How many entries of the source were left out on the way. */
  readonly excluded?: number;
  readonly report: Report;
}

/**
 * Decides what to delete of a destination, and changes nothing; it looks there only where the whole source is known.
 *
 * @param findExtras finds the entries of the destination that the manifest does not have
 * @throws CairnError `too-many-deletions` where the source is empty, as one that is not mounted; errors of `findExtras`
 */
export async function planDeletions(
  mirror: Mirror,
  manifest: Pick<Manifest, 'entries'>,
  findExtras: () => Promise<Extras>,
  { excluded = 0, report }: MirrorRun,
): Promise<DeletionPlan> {
  const refused = refusedForUnseen(mirror, excluded, report);
  return refused ?? chooseOf(mirror, manifest, await findExtras(), report);
}

function chooseOf(
  { wishes, isProtected, unseen }: Mirror,
  { entries: wanted }: Pick<Manifest, 'entries'>,
  extras: Extras,
  report: Report,
): DeletionPlan {
  const inPlaceOfUnseen = protectsUnseen(unseen);
  const stays: IsProtected = (entry) => isProtected(entry) || inPlaceOfUnseen(entry);
  const others = extras.notices.filter(({ code, path }) => code !== 'time-out-of-range' && path !== '');
  const paths = others.map(({ path }) => path);
  const chosen = chooseDeletions(extras.entries, stays, paths);
  const { maxDelete } = wishes;
  const isAllAllowed = 'percent' in maxDelete && maxDelete.percent === 100;
  if (chosen.length > 0 && wanted.length <= 1 && !isAllAllowed) throw emptySource(chosen.length);
  for (const { path, message } of others)
    warn(report, 'storage-unsupported', path, `not deleted: ${message}`);
  if (isTooMany(chosen.length, extras.total, maxDelete)) {
    warn(report, 'too-many-deletions', '.', tooMany(chosen.length, extras.total, maxDelete));
    return {
      list: undefined,
      outcome: { ...NOTHING, undeleted: chosen.length + others.length, code: 'too-many-deletions' },
    };
  }
  const outcome = { ...NOTHING, undeleted: others.length };
  return { list: chosen.length === 0 ? undefined : createDeletions(chosen), outcome };
}

function emptySource(entries: number): CairnError {
  const message = `the source is empty, and the destination has ${entries} entries: nothing was changed; is the source mounted? To empty the destination, say --max-delete 100%`;
  return new CairnError('too-many-deletions', message, { details: { entries } });
}

function tooMany(entries: number, total: number, max: MirrorWishes['maxDelete']): string {
  const limit = 'percent' in max ? `${max.percent}%` : String(max.entries);
  const part = total > 0 ? ` (${Math.floor((entries * 100) / total)}%)` : '';
  return `nothing is deleted: ${entries} of ${total} entries at the destination${part} would go, more than --max-delete ${limit} allows; look at them with --dry-run --max-delete 100%, and raise --max-delete`;
}

/**
 * Names what a dry run would delete; its outcome counts that.
 *
 * @param leftOut what could not be published: a directory that still has entries shows only after the deletions
 */
export function tellWouldDelete(
  { list, outcome }: DeletionPlan,
  leftOut: ReadonlyMap<number, ErrorCode>,
  report: Report,
): Outcome {
  if (list === undefined) return outcome;
  if ([...leftOut.values()].some((code) => code !== 'is-directory')) {
    warn(report, 'partial', '.', 'nothing would be deleted, because not everything can be published');
    return { ...outcome, undeleted: outcome.undeleted + list.entries.length, code: 'partial' };
  }
  let bytes = 0;
  for (const { path, type: kind, sizeBytes } of list.entries) {
    bytes += sizeBytes;
    report({ type: 'would', path: printable(path), kind, change: 'delete', sizeBytes });
  }
  return { ...outcome, entries: list.entries.length, bytes };
}

/**
 * Names what was not deleted of a plan, and what was where entries are named; a run that did not make the list knows no
 * plan.
 */
export function tellDeleted(
  plan: DeletionPlan | undefined,
  deleted: DeletedEntries | undefined,
  { report, namesEntries }: { readonly report: Report; readonly namesEntries: boolean },
): Outcome | undefined {
  if (plan === undefined && deleted === undefined) return undefined;
  const { outcome, list } = plan ?? { outcome: NOTHING, list: undefined };
  if (deleted === undefined) return outcome;
  const { entries, bytes, kept, unlisted, isSkipped } = deleted;
  if (isSkipped === true) {
    warn(report, 'partial', '.', 'nothing was deleted, because not everything could be published');
    return { ...outcome, undeleted: outcome.undeleted + (list?.entries.length ?? 1), code: 'partial' };
  }
  for (const { code, path } of kept)
    warn(report, isErrorCode(code) ? code : 'storage-io', printable(path), reasonOf(code));
  if (unlisted > 0) warn(report, 'partial', '.', `${unlisted} more entries could not be deleted`);
  if (namesEntries && list !== undefined && unlisted === 0) {
    const stayed = new Set(kept.map(({ path }) => path));
    for (const { path, type: kind, sizeBytes } of list.entries) {
      const shown = printable(path);
      if (!stayed.has(shown)) report({ type: 'deleted', path: shown, kind, sizeBytes });
    }
  }
  return { ...outcome, entries, bytes, undeleted: outcome.undeleted + kept.length + unlisted };
}

function reasonOf(code: string): string {
  switch (code) {
    case 'destination-changed':
      return 'not deleted: it has changed since this run looked at it';
    case 'is-directory':
      return 'not deleted: the directory is not empty';
    case 'storage-denied':
      return 'not deleted: permission denied, or it is in use';
    default:
      return `not deleted: ${code}`;
  }
}

function warn(report: Report, code: ErrorCode, path: string, message: string): void {
  report({ type: 'warning', code, path, message, isOfDeletion: true });
}
