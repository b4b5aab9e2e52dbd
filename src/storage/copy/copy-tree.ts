/**
 * Copies the whole published tree of one store into another one. It goes on where an earlier run was killed: batches that are
 * there are only compared, and chunks that are staged are only read back.
 */
import { CairnError } from '../../base/errors.ts';
import { comparePaths } from '../../base/safe-path.ts';
import type { ScannedEntry } from '../../manifest/entry.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import { METADATA_KINDS } from '../../manifest/metadata.ts';
import type { ContentStore } from '../content-store.ts';
import { isBelow } from '../entry-tree/tree-entry.ts';
import { copyBatch, discardCopyAreas, type TreeCopy } from './copy-batch.ts';
import type { CopyReport } from './copy-report.ts';
import { treeBatches } from './tree-batches.ts';

const BATCH_ENTRIES = 20_000;
/** Directories get their times in the second round, once everything is in them; the third finds nothing to do. */
const ROUNDS = 3;

/** Options of {@link copyTree}. */
export interface CopyTreeOptions {
  readonly report: CopyReport;
  readonly signal: AbortSignal;
  /** For tests: entries of a batch. */
  readonly batchEntries?: number;
}

/**
 * Makes the tree of `to` the same as that of `from`, which nobody changes meanwhile. What an older copy has and the source
 * has no more is removed.
 *
 * @throws CairnError `storage-full` before anything is copied where there is no room; `verify-failed`; storage codes; the reason
 * of the signal
 */
export async function copyTree(
  from: ContentStore,
  to: ContentStore,
  { report, signal, batchEntries = BATCH_ENTRIES }: CopyTreeOptions,
): Promise<void> {
  const told = onceEach(report);
  const copy: TreeCopy = { from, to, kinds: kindsOf(from, to), report: told, signal };
  await refuseWithoutRoom(copy);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const isFirst = round === 1;
    const onNotice: Parameters<ContentStore['scan']>[1]['onNotice'] = ({ path, code, message }) =>
      told.leftOut(path, new CairnError(code, message));
    const scan = from.scan('', { onNotice, metadata: copy.kinds });
    const quiet = isFirst ? copy : { ...copy, report: { ...told, wasThere: () => undefined } };
    let isChanged = false;
    for await (const batch of treeBatches(scan, batchEntries)) {
      signal.throwIfAborted();
      if (await copyBatch(quiet, batch)) isChanged = true;
      if (isFirst) told.entries(batch.newEntries);
    }
    if (isFirst) await removeExtras(copy);
    else if (!isChanged) break;
  }
  await discardCopyAreas(to);
}

/** Hard links become files of their own; holes are written where the target can have such. */
function kindsOf(from: ContentStore, to: ContentStore): readonly MetadataKind[] {
  const { tells = [] } = from.properties.metadata ?? {};
  const { keeps = [] } = to.properties.metadata ?? {};
  return METADATA_KINDS.filter(
    (kind) => kind !== 'hard-links' && tells.includes(kind) && keeps.includes(kind),
  );
}

/** Nothing is begun that cannot end. */
async function refuseWithoutRoom({ from, to }: TreeCopy): Promise<void> {
  const space = await to.space();
  if (space === undefined) return;
  const needed = await bytesIn(from);
  const there = await bytesIn(to);
  const missingBytes = needed - there - space.freeBytes;
  if (missingBytes <= 0) return;
  const message = `the tree has ${needed} bytes, and the target has room for ${there + space.freeBytes}; make room for ${missingBytes} more`;
  throw new CairnError('storage-full', message, { details: { missingBytes } });
}

async function bytesIn(store: ContentStore): Promise<number> {
  let bytes = 0;
  for await (const batch of store.scan('', { onNotice: () => undefined }))
    for (const { entry } of batch) bytes += entry.sizeBytes;
  return bytes;
}

/** Removes what the target has beside the tree. */
async function removeExtras({ from, to, signal }: TreeCopy): Promise<void> {
  for await (const path of extrasOf(from, to)) {
    signal.throwIfAborted();
    await to.remove(path, { recursive: true });
  }
}

/** The highest entries of `to` that `from` has not; all are found before the first is told. */
async function* extrasOf(from: ContentStore, to: ContentStore): AsyncGenerator<string> {
  const extras: string[] = [];
  const theirs = pathsOf(from);
  let next = await theirs.next();
  for await (const path of pathsOf(to)) {
    while (next.done !== true && comparePaths(next.value, path) < 0) next = await theirs.next();
    if (next.done !== true && next.value === path) continue;
    const last = extras.at(-1);
    if (last === undefined || !isBelow(path, last)) extras.push(path);
  }
  yield* extras;
}

async function* pathsOf(store: ContentStore): AsyncGenerator<string> {
  const scan: AsyncIterable<readonly ScannedEntry[]> = store.scan('', { onNotice: () => undefined });
  for await (const batch of scan) for (const { entry } of batch) yield entry.path;
}

/** The rounds find the same again. */
function onceEach(report: CopyReport): CopyReport {
  const told = new Set<string>();
  return {
    ...report,
    leftOut: (path, error) => {
      const what = `${error.code} ${String(error.details['kind'] ?? '')} ${path}`;
      if (told.has(what)) return;
      told.add(what);
      report.leftOut(path, error);
    },
  };
}
