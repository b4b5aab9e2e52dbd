/** What one pass over a manifest did; a resumed transfer takes two. Pure. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { SessionTerms } from '../../wire/messages.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import type { DeletedSummary, Report, TransferSummary } from '../api/events.ts';
import { copiedBytesOf } from '../../manifest/parts-document.ts';
import { layoutOf, type PartsPlan } from '../session/plan-layout.ts';

/** What a pass did. */
export interface PassResult {
  /** Without its entries: while they are kept, those of the next pass need memory, too. */
  readonly manifest: Omit<Manifest, 'entries'>;
  /** How many it had. */
  readonly entries: number;
  /** How many of them were not there as they are. */
  readonly changed: number;
  /** How many others a pull did not want. */
  readonly unselected: number;
  readonly bytesTotal: number;
  readonly bytesSkipped: number;
  /** Bytes of changed files that the receiver took from their older versions. */
  readonly bytesReused: number;
  readonly bytesResumed: number;
  readonly digest: string | null;
  /** Paths of the entries that the sender could not read, or not whole. */
  readonly excluded: ReadonlySet<string>;
  /** Paths of the entries that the receiver could not put in their place, and how many there are beside those. */
  readonly leftOut: ReadonlySet<string>;
  readonly unlisted: number;
  /** How many times an entry did not get some of its metadata. */
  readonly unkept?: number;
  /** Of a pass that deletes: what became of that. */
  readonly deleted?: DeletedSummary | undefined;
  /** Whether the server would take the same entries for new ones, if they came again. */
  readonly isUnrepeatable?: boolean;
}

/** Numbers of the run around the passes. */
export type RunCounts = Pick<
  TransferSummary,
  'bytesMoved' | 'bytesSaved' | 'retries' | 'resumes' | 'durationMs'
>;

/** What a pass does not carry. */
export type PassPlan = Pick<PartsPlan, 'have' | 'attributes' | 'assemblies'> & {
  /**
   * What a pull does not want, which is in `have`, too: runs of its entries, and how many they are where a directory counts
   * once with all that is below it.
   */
  readonly unselected?: { readonly entries: readonly number[]; readonly count: number } | undefined;
};

function unselectedIn({ entries }: Manifest, { unselected }: PassPlan): ChunkSet {
  return ChunkSet.fromRuns(unselected?.entries ?? [], entries.length);
}

/** Bytes of the entries that are there already. */
export function skippedBytes(manifest: Manifest, plan: PassPlan): number {
  const unselected = unselectedIn(manifest, plan);
  let bytes = 0;
  for (const index of ChunkSet.fromRuns(plan.have, manifest.entries.length).values()) {
    if (!unselected.has(index)) bytes += manifest.entries.sizeOf(index);
  }
  return bytes;
}

/** Bytes that the receiver takes from the older versions of files. */
export function reusedBytes({ assemblies }: PassPlan): number {
  let bytes = 0;
  for (const assembly of assemblies?.values() ?? []) bytes += copiedBytesOf(assembly);
  return bytes;
}

/** What a result says of its manifest, and of what had to be done for it. */
export function aboutManifest(
  whole: Manifest,
  plan: PassPlan,
): Pick<PassResult, 'manifest' | 'entries' | 'changed' | 'unselected'> {
  const { entries, ...manifest } = whole;
  const { length } = entries;
  const same = ChunkSet.fromRuns(plan.have, length).size - ChunkSet.fromRuns(plan.attributes, length).size;
  const { count: unselected = 0 } = plan.unselected ?? {};
  return { manifest, entries: length - unselectedIn(whole, plan).size, changed: length - same, unselected };
}

/** Whether a push compares nothing, and replaces nothing: an entry that comes again is taken for a new one. */
export function isUnrepeatable({ isBlind = false, existing = 'replaced' }: SessionTerms): boolean {
  return isBlind && existing !== 'replaced';
}

/** The result of a pass that carried nothing. */
export function emptyResult(manifest: Manifest, plan: PassPlan, digest: string | null): PassResult {
  const { bytesTotal = 0 } = layoutOf(manifest, plan);
  return {
    ...aboutManifest(manifest, plan),
    bytesTotal,
    bytesSkipped: skippedBytes(manifest, plan),
    bytesReused: reusedBytes(plan),
    bytesResumed: 0,
    digest,
    excluded: new Set(),
    leftOut: new Set(),
    unlisted: 0,
  };
}

/** Paths of entries by their indices. */
export function pathsOf(manifest: Manifest, entries: { values(): Iterable<number> }): Set<string> {
  return new Set(Array.from(entries.values(), (index) => manifest.entries.pathOf(index)));
}

/**
 * The summary of a run.
 *
 * @param results at least one; the last one saw everything as it is now
 * @param notices entries that could not even be listed
 * @throws CairnError `source-changed` where nothing at all could be read whole: that is no partial transfer
 */
export function summaryOf(
  direction: 'push' | 'pull',
  results: readonly PassResult[],
  notices: number,
  { dropped, ...counts }: RunCounts & { readonly dropped?: number | undefined },
): TransferSummary {
  const first = results[0]!;
  const last = results.at(-1)!;
  if (last.excluded.size > 0 && last.excluded.size === last.entries) {
    const message =
      'nothing was transferred: no entry could be read completely, as said above; run the command again';
    throw new CairnError('source-changed', message);
  }
  // The last pass skips what those before it have brought.
  const brought = results
    .slice(0, -1)
    .reduce((sum, { bytesTotal, bytesReused }) => sum + bytesTotal + bytesReused, 0);
  const excluded = last.excluded.size + last.leftOut.size + last.unlisted;
  return {
    direction,
    entries: last.entries - excluded,
    changed: results.reduce((sum, { changed }) => sum + changed, 0),
    bytesTotal: results.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0),
    bytesSkipped: Math.max(first.bytesSkipped, last.bytesSkipped - brought),
    bytesReused: results.reduce((sum, { bytesReused }) => sum + bytesReused, 0),
    bytesResumed: results.reduce((sum, { bytesResumed }) => sum + bytesResumed, 0),
    digest: last.digest,
    excluded: excluded + notices,
    unselected: last.unselected,
    ...(dropped === undefined ? {} : { unkept: dropped + (last.unkept ?? 0) }),
    ...counts,
    ...deletedIn(results),
  };
}

function deletedIn(results: readonly PassResult[]): Pick<TransferSummary, 'deleted'> {
  const parts = results.flatMap(({ deleted }) => (deleted === undefined ? [] : [deleted]));
  const last = parts.at(-1);
  if (last === undefined) return {};
  const sum = (part: 'entries' | 'bytes'): number => parts.reduce((all, each) => all + each[part], 0);
  // The last pass looked at everything that is left.
  return { deleted: { ...last, entries: sum('entries'), bytes: sum('bytes') } };
}

/** Warns of what could not even be listed. */
export function tellNotices(report: Report, notices: readonly Notice[]): void {
  for (const { code, path, message } of notices)
    report({ type: 'warning', code, path: printable(path), message: printable(message) });
}
