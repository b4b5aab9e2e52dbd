/**
 * Decides what publishing a transfer changes in one version of the tree. Nothing is changed here: what is decided goes to
 * the tree as one change, and is decided anew where another change came first.
 */
import { createBreather } from '../../base/breather.ts';
import { CairnError } from '../../base/errors.ts';
import { ancestorsOf, comparePaths, joinPath, printable } from '../../base/safe-path.ts';
import type { Entry } from '../../manifest/entry.ts';
import { numbered } from '../../manifest/entry-table.ts';
import { createLayout, isStream, type Layout } from '../../manifest/layout.ts';
import { AS_SENT, modeFor } from '../../manifest/modes.ts';
import { isAsListed } from '../../transfer/listed-entries.ts';
import type { PublishOrder } from '../content-store.ts';
import type { TreeChange, TreeChanges } from '../entry-tree/change-merge.ts';
import type { Extent, TreeEntry } from '../entry-tree/tree-entry.ts';
import { chooseNames } from './added-names.ts';
import { findConflicts } from './conflicts.ts';
import { createBackups } from './kept-backups.ts';
import { type OtherChanges, publishedEntry, type Publishing } from './publishing.ts';
import { planRemoval } from './removal-plan.ts';
import { findEntry, plainDirectory } from './tree-paths.ts';

const BATCH_ENTRIES = 500;
const PROGRESS_EVERY_ENTRIES = 100;

/**
 * Decides about all entries; answers the changes, which name the refused entries no more.
 *
 * @throws CairnError `chunks-missing`; where no entry may be refused `is-directory`, `not-directory`, `symlink-refused`
 */
export async function planPublishing(publishing: Publishing): Promise<TreeChanges> {
  const { tree, transfer, order, staged, refused, nowMs } = publishing;
  const { manifest, target } = transfer;
  const layout = isStream(manifest)
    ? createLayout(manifest, { streamSizeBytes: order.streamSizeBytes ?? 0 })
    : transfer.layout;
  const { giveWay, deferred } = await findConflicts(tree, transfer, order, refused);
  checkChunks(layout, order, staged);
  refused.checkSomeLeft();
  const others: OtherChanges = new Map();
  for (const path of ancestorsOf(target)) {
    if ((await tree.find(path)) === undefined)
      others.set(path, { path, entry: plainDirectory(path, await nowMs()) });
  }
  const names = await chooseNames(publishing, deferred);
  const backups = createBackups(publishing, others);
  await keepReplaced(publishing, { giveWay, deferred }, backups.keep);
  const placed = await planRemoval(publishing, { deferred, others, keep: backups.keep });
  const isPut = (index: number): boolean =>
    isToChange(order, index) && !refused.has(index) && (!deferred.has(index) || placed.has(index));
  const bytesOf = (index: number, sizeBytes: number): Extent[] => extentsOf(layout, staged, index, sizeBytes);
  const puts = putsOf(publishing, {
    isPut,
    names,
    giveWay: new Set([...giveWay, ...placed.values()]),
    bytesOf,
  });
  return merged(puts, [...others.values(), ...names.added(bytesOf)]);
}

function isToChange(order: PublishOrder, index: number): boolean {
  if (order.isExcluded(index)) return false;
  const isReplacing = (order.existing ?? 'replaced') === 'replaced';
  return !order.isPresent(index) || (order.needsAttributes(index) && isReplacing);
}

/** Refuses to begin while a chunk is missing or short, unless it carries only excluded entries. */
function checkChunks(layout: Layout, order: PublishOrder, staged: Publishing['staged']): void {
  for (let chunk = 0; chunk < layout.chunkCount; chunk += 1) {
    if (staged.get(chunk)?.sizeBytes === layout.chunkLengthBytes(chunk)) continue;
    if (layout.carriesOnly(chunk, (index) => order.isExcluded(index))) continue;
    const details = { chunk };
    throw new CairnError('chunks-missing', `chunk ${chunk} is not staged, or not whole`, { details });
  }
}

/** The bytes of an entry: its own chunks one after the other, or its part of a packed one. */
function extentsOf(layout: Layout, staged: Publishing['staged'], index: number, sizeBytes: number): Extent[] {
  const { first, count } = layout.chunksOf(index);
  const extents: Extent[] = [];
  let left = count === 0 ? 0 : sizeBytes;
  for (let chunk = first; left > 0 && chunk < first + count; chunk += 1) {
    const from = chunk === first ? layout.chunkOffsetOf(index) : 0;
    const lengthBytes = Math.min(left, layout.chunkLengthBytes(chunk) - from);
    extents.push({ key: staged.get(chunk)!.key, from, lengthBytes });
    left -= lengthBytes;
  }
  return extents;
}

/** What decides about the entries of the manifest. */
interface Puts {
  readonly isPut: (index: number) => boolean;
  readonly names: Pick<Awaited<ReturnType<typeof chooseNames>>, 'isPutElsewhere'>;
  readonly giveWay: ReadonlySet<string>;
  readonly bytesOf: (index: number, sizeBytes: number) => Extent[];
}

async function* putsOf(publishing: Publishing, puts: Puts): AsyncGenerator<TreeChange[]> {
  const { tree, transfer, order } = publishing;
  let batch: TreeChange[] = [];
  const breathe = createBreather();
  for (const [index, entry] of numbered(transfer.manifest.entries)) {
    if (puts.isPut(index) && !puts.names.isPutElsewhere(index)) {
      const path = joinPath(transfer.target, entry.path);
      const found = await findEntry(tree, path);
      const dropsBelow = puts.giveWay.has(path);
      batch.push({ path, entry: newEntry(publishing, { index, entry, path }, found, puts), dropsBelow });
    }
    if ((index + 1) % PROGRESS_EVERY_ENTRIES === 0) order.onProgress?.(index + 1);
    await breathe();
    if (batch.length < BATCH_ENTRIES) continue;
    yield batch;
    batch = [];
  }
  yield batch;
}

function newEntry(
  { order, transfer }: Publishing,
  { index, entry, path }: { readonly index: number; readonly entry: Entry; readonly path: string },
  found: TreeEntry | undefined,
  { bytesOf }: Puts,
): TreeEntry {
  const keepsMode = entry.type !== 'directory' || found?.entry.type === 'directory';
  const mode = modeFor(entry, keepsMode ? found?.entry.mode : undefined, AS_SENT, transfer.modes);
  if (order.isPresent(index) && entry.type === 'file') {
    if (found?.entry.type !== 'file')
      throw new CairnError('source-missing', `"${printable(path)}" is no longer there`);
    // Only its attributes change.
    return { extents: found.extents, entry: { ...entry, path, mode, sizeBytes: found.entry.sizeBytes } };
  }
  const published = publishedEntry(order, entry, { path, mode });
  return { entry: published, extents: bytesOf(index, published.sizeBytes) };
}

/** Keeps what entries of the manifest replace. */
async function keepReplaced(
  publishing: Publishing,
  { giveWay, deferred }: { readonly giveWay: ReadonlySet<string>; readonly deferred: ReadonlySet<number> },
  keep: ReturnType<typeof createBackups>['keep'],
): Promise<void> {
  const { tree, transfer, order, refused } = publishing;
  if (order.backup === undefined || (order.existing ?? 'replaced') !== 'replaced') return;
  for (const [index, entry] of numbered(transfer.manifest.entries)) {
    if (!isToChange(order, index) || order.isPresent(index) || refused.has(index) || deferred.has(index))
      continue;
    const path = joinPath(transfer.target, entry.path);
    const found = await tree.find(path);
    if (found !== undefined && !isAsListed(found.entry, { ...entry, path })) await keep(entry.path, found);
    if (!giveWay.has(path)) continue;
    for await (const each of tree.below(path))
      await keep(entry.path + each.entry.path.slice(path.length), each);
  }
}

/** Merges sorted changes with some in any order; of two for one path the first is the manifest's, which stays. */
async function* merged(
  puts: AsyncIterable<TreeChange[]>,
  others: readonly TreeChange[],
): AsyncGenerator<TreeChange[]> {
  const rest = others.toSorted((a, b) => comparePaths(a.path, b.path));
  let at = 0;
  for await (const batch of puts) {
    const both: TreeChange[] = [];
    for (const change of batch) {
      while (at < rest.length && comparePaths(rest[at]!.path, change.path) < 0) both.push(rest[at++]!);
      if (rest[at]?.path === change.path) at += 1;
      both.push(change);
    }
    yield both;
  }
  yield rest.slice(at);
}
