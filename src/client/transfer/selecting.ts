/** What both directions do about a selection: tell what it leaves out, and end where it takes nothing. */
import { printable } from '../../base/safe-path.ts';
import { createManifest, TREE_ID_PARAMETERS } from '../../manifest/manifest.ts';
import type { EntryType } from '../../manifest/entry.ts';
import type { Unselected } from '../../manifest/selection.ts';
import type { Report, TransferSummary } from '../api/events.ts';
import type { TransferOptions } from '../api/options.ts';
import { emptyResult, summaryOf, type PassResult } from './pass-result.ts';

/** Names what a selection leaves out, where a run names its entries, or is a dry one. */
export function tellUnselected(
  { report }: { readonly report: Report },
  { dryRun = false, namesEntries = false }: Pick<TransferOptions, 'dryRun' | 'namesEntries'>,
): ((path: string, kind: EntryType, reason: Unselected) => void) | undefined {
  if (!dryRun && !namesEntries) return undefined;
  return (path, kind, reason) => report({ type: 'unselected', path: printable(path), kind, reason });
}

/** The result of a pass of which the selection has left nothing to do, not even a directory. */
export function nothingSelected(report: Report): PassResult {
  report({ type: 'notice', message: 'nothing is selected, so nothing is transferred' });
  return emptyResult(createManifest(TREE_ID_PARAMETERS, []), { have: [], attributes: [] }, null);
}

/** The result of a run whose list of paths is empty, which must never mean everything; undefined for any other. */
export function nothingToSelect(
  direction: TransferSummary['direction'],
  { selection, report }: Pick<TransferOptions, 'selection' | 'report'>,
): TransferSummary | undefined {
  const { listed } = selection ?? {};
  if (listed === undefined || listed.paths.length + listed.notUtf8.length > 0) return undefined;
  report({ type: 'notice', message: 'the list of paths is empty, so nothing is transferred' });
  const nothing = emptyResult(createManifest(TREE_ID_PARAMETERS, []), { have: [], attributes: [] }, null);
  const counts = { bytesMoved: 0, bytesSaved: 0, retries: 0, resumes: 0, durationMs: 0 };
  return summaryOf(direction, [nothing], 0, counts);
}
