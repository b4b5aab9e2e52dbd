/** What a pull wants of the tree of the server: the rest takes part in the manifest, and is not carried. */
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { createSelector } from '../../manifest/selection.ts';
import type { PartsPlan } from '../session/plan-layout.ts';
import type { Comparison } from '../../wire/messages.ts';
import type { TransferOptions } from '../api/options.ts';
import type { PassPlan } from '../transfer/pass-result.ts';
import { selectEntries, selectNotices, type RemoteSelection } from '../transfer/remote-selection.ts';
import { tellUnselected } from '../transfer/selecting.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';
import type { EstablishedPull } from './pull-establish.ts';

/** The plan that both sides agree on, and what of it this side does not want. */
export type PullPlan = PartsPlan & PassPlan;

/** What this run wants of a manifest, and what has to be said of that; undefined for all of it. @throws CairnError `not-directory` */
export function wantedOf(
  context: Pick<TransferContext, 'server' | 'report'>,
  options: Pick<TransferOptions, 'selection' | 'wallClock' | 'dryRun' | 'namesEntries'>,
  { manifest: { entries }, notices }: Pick<EstablishedPull, 'manifest' | 'notices'>,
): (RemoteSelection & Pick<EstablishedPull, 'notices'>) | undefined {
  const { selection, wallClock = Date.now } = options;
  if (selection === undefined) return undefined;
  const name = context.server.target.split('/').at(-1) ?? '';
  const onUnselected = tellUnselected(context, options);
  const selector = createSelector(selection, wallClock());
  const wanted = selectEntries(entries, selector, { name, onUnselected });
  return { ...wanted, notices: [...selectNotices(notices, selector), ...wanted.missing] };
}

/** A comparison of the entries alone that this side wants. */
export function comparisonOfWanted(
  { have, attributes, candidates, older = [] }: Comparison,
  { entries }: Manifest,
  wanted: RemoteSelection | undefined,
): Comparison {
  const of = (runs: readonly number[]): number[] => {
    const set = ChunkSet.fromRuns(runs, entries.length);
    for (const index of wanted?.unselected.values() ?? []) set.delete(index);
    return set.runs();
  };
  return { have: of(have), attributes: of(attributes), candidates: of(candidates), older: of(older) };
}

/** What this side does not want is not carried, as if it were there. */
export function planOfWanted(
  plan: PartsPlan,
  { entries }: Manifest,
  wanted: RemoteSelection | undefined,
): PullPlan {
  if (wanted === undefined) return plan;
  const have = ChunkSet.fromRuns(plan.have, entries.length);
  for (const index of wanted.unselected.values()) have.add(index);
  const unselected = { entries: wanted.unselected.runs(), count: wanted.count };
  return { ...plan, have: have.runs(), unselected };
}
