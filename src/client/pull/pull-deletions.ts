/** What a pull deletes at its destination: found by a scan of it, and kept beside what is staged before any of it goes. */
import { resolve } from 'node:path';
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { encodeDeletions, readDeletions, type Deletions } from '../../manifest/deletions.ts';
import { EntryTable } from '../../manifest/entry-table.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { DEFAULT_MANIFEST_LIMITS } from '../../manifest/manifest-reader.ts';
import type { StagingArea } from '../../storage/content-store.ts';
import { extrasOf } from '../../transfer/scan-extras.ts';
import type { Extras } from '../../wire/extras-stream.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import type { TransferOptions } from '../api/options.ts';
import { protectsUnselected, type DeletionPlan } from '../transfer/deletion-plan.ts';
import type { PullDestination } from './pull-staging.ts';

/**
 * Refuses a directory for backups that is the destination, above it, or in it where that is mirrored: the next run would
 * delete them.
 *
 * @throws CairnError `usage`
 */
export function checkLocalBackupPlace(
  options: Pick<TransferOptions, 'mirror' | 'backupDirectory' | 'selection' | 'wallClock'>,
  destination: string,
): void {
  const { mirror, backupDirectory } = options;
  if (backupDirectory === undefined) return;
  const [backup, landing] = [`${resolve(backupDirectory)}/`, `${resolve(destination)}/`];
  const path = backup.slice(landing.length, -1);
  const inTree = { type: 'directory', path, sizeBytes: 0, mtimeNs: 0n } as const;
  const isMirrored = mirror !== undefined && !protectsUnselected(options)(inTree);
  const isInside = isMirrored && backup.startsWith(landing);
  if (!landing.startsWith(backup) && !isInside) return;
  const where = isInside
    ? 'in the tree that is mirrored, and would be deleted with the next run'
    : 'the destination, or above it';
  const message = `--backup-dir "${printable(backupDirectory)}" is ${where}; name a directory beside the destination`;
  throw new CairnError('usage', message);
}

/** Finds the entries of the destination of a pull that a manifest does not have, and changes nothing. */
export async function extrasAt(
  { store, landing }: PullDestination,
  { entries: wanted }: Manifest,
): Promise<Extras> {
  const entries = new EntryTable();
  const notices: Notice[] = [];
  const totals = { total: 0 };
  // cairn's own names are no part of any tree.
  const onNotice = (notice: Notice): void =>
    void (notice.code === 'path-reserved' ? undefined : notices.push(notice));
  const scanned = store.scan(landing.target, { onNotice });
  for await (const batch of extrasOf(scanned, wanted, totals)) for (const entry of batch) entries.push(entry);
  return { entries, notices, total: totals.total };
}

/** Keeps the list of what a pull deletes, durably. */
export async function keepDeletions(area: StagingArea, { list }: DeletionPlan): Promise<void> {
  if (list !== undefined) await area.save('deletions', encodeDeletionsAnew(list));
}

function encodeDeletionsAnew(list: Deletions): Iterable<string> {
  return { [Symbol.iterator]: () => encodeDeletions(list) };
}

/** The list with this id that an earlier run has kept; undefined where it is damaged or gone: nothing is deleted then. */
export async function keptDeletions(
  area: StagingArea,
  { entries }: Manifest,
  id: string | undefined,
): Promise<Deletions | undefined> {
  const bytes = id === undefined ? undefined : await area.load('deletions');
  if (bytes === undefined) return undefined;
  try {
    const list = await readDeletions(bytes, entries, DEFAULT_MANIFEST_LIMITS);
    return list.id === id ? list : undefined;
  } catch (error) {
    if (error instanceof CairnError && error.code === 'manifest-invalid') return undefined;
    throw error;
  }
}
