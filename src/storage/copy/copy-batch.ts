/** Copies one batch of a tree as a transfer inside of one process: staged, read back, published. */
import { CairnError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { EntryTable } from '../../manifest/entry-table.ts';
import { createLayout } from '../../manifest/layout.ts';
import { createManifest, type Manifest } from '../../manifest/manifest.ts';
import type { MetadataKind } from '../../manifest/metadata.ts';
import type { ModeWishes } from '../../manifest/modes.ts';
import { type StringList, StringTable } from '../../manifest/string-table.ts';
import type { ContentStore, PublishOrder, StagingArea } from '../content-store.ts';
import { type BatchPlan, loadBatchPlan, planBatch, saveBatchPlan } from './batch-plan.ts';
import type { CopyReport } from './copy-report.ts';
import { stageBatch, type UnreadableEntry } from './stage-batch.ts';
import type { TreeBatch } from './tree-batches.ts';

/** Staging areas of copies have the form of a session's id, with this at its beginning, and then digits of a manifest's id. */
const AREAS = 'cairn-copy-';
const AREA_LENGTH = 22;
const CHUNK_SIZE_BYTES = 8 * 1024 * 1024;

/** A copy of a tree. */
export interface TreeCopy {
  readonly from: ContentStore;
  readonly to: ContentStore;
  /** Metadata to carry beside modes and times. */
  readonly kinds: readonly MetadataKind[];
  readonly report: CopyReport;
  readonly signal: AbortSignal;
}

/** Copies what a batch has and the target has not; answers whether there was anything. @throws CairnError */
export async function copyBatch(copy: TreeCopy, batch: TreeBatch): Promise<boolean> {
  let rest: Pick<TreeBatch, 'entries' | 'identities'> = batch;
  for (;;) {
    const done = await copyEntries(copy, rest);
    if (typeof done === 'boolean') return done;
    const { entryIndex, error } = done;
    const path = rest.entries.pathOf(entryIndex);
    const message = `"${printable(path)}" cannot be read whole (${error.message})`;
    copy.report.leftOut(path, new CairnError(error.code, message, { cause: error }));
    rest = without(rest, entryIndex);
  }
}

/** Removes what copies have staged and did not publish. @throws CairnError storage codes */
export async function discardCopyAreas(to: ContentStore): Promise<void> {
  for (const id of await to.listStaging())
    if (id.startsWith(AREAS)) await (await to.openStaging(id)).discard();
}

/** Each batch has an area of its own: a run that goes on passes batches that are there already. */
function areaOf({ id }: Pick<Manifest, 'id'>): string {
  return `${AREAS}${id}`.slice(0, AREA_LENGTH);
}

function without(
  { entries, identities }: Pick<TreeBatch, 'entries' | 'identities'>,
  leftOut: number,
): Pick<TreeBatch, 'entries' | 'identities'> {
  const fewer = { entries: new EntryTable(), identities: new StringTable() };
  for (let index = 0; index < entries.length; index += 1) {
    if (index === leftOut) continue;
    fewer.entries.push(entries.at(index)!);
    fewer.identities.push(identities.at(index)!);
  }
  return fewer;
}

async function copyEntries(
  copy: TreeCopy,
  batch: Pick<TreeBatch, 'entries' | 'identities'>,
): Promise<boolean | UnreadableEntry> {
  const { to, kinds, report } = copy;
  const parameters = { chunkSizeBytes: CHUNK_SIZE_BYTES, digest: 'sha256', metadata: kinds } as const;
  const manifest = createManifest(parameters, batch.entries);
  const modes: ModeWishes = { preserve: true, keepsTarget: isGrouped(to) };
  const plan = (await keptPlan(to, manifest)) ?? (await planBatch(to, manifest, modes));
  report.wasThere(bytesOf(manifest, plan));
  if (isNothing(plan, manifest)) return false;
  const area = await to.openStaging(areaOf(manifest));
  if (!plan.isPublishing) await saveBatchPlan(area, manifest, plan);
  const unreadable = await carryOut(copy, { ...batch, area, manifest, plan, modes });
  if (unreadable !== undefined) return unreadable;
  await area.discard();
  return true;
}

/** The plan that an earlier run began with; what is left without one is removed. */
async function keptPlan(to: ContentStore, manifest: Manifest): Promise<BatchPlan | undefined> {
  if (!(await to.listStaging()).includes(areaOf(manifest))) return undefined;
  const area = await to.openStaging(areaOf(manifest));
  const kept = await loadBatchPlan(area, manifest);
  if (kept === undefined) await area.discard();
  return kept;
}

/** A batch with its plan. */
interface PlannedBatch {
  readonly identities: StringList;
  readonly area: StagingArea;
  readonly manifest: Manifest;
  readonly plan: BatchPlan;
  readonly modes: ModeWishes;
}

async function carryOut(
  copy: TreeCopy,
  { identities, area, manifest, plan, modes }: PlannedBatch,
): Promise<UnreadableEntry | undefined> {
  const { from, to, report, signal } = copy;
  const layout = createLayout(manifest, { isPresent: (index) => plan.present.has(index) });
  const staging = await area.openChunks({ manifest, layout, target: '', modes });
  try {
    if (plan.isPublishing) report.wasThere(layout.bytesTotal ?? 0);
    else {
      const batch = { from, manifest, identities, layout, staging, isGrouped: isGrouped(to), report, signal };
      const unreadable = await stageBatch(batch);
      if (unreadable !== undefined) return unreadable;
      await saveBatchPlan(area, manifest, { ...plan, isPublishing: true });
    }
    await staging.publish(orderOf(copy, manifest, plan));
    return undefined;
  } finally {
    await staging.close();
  }
}

function isNothing({ present, attributes }: BatchPlan, { entries }: Manifest): boolean {
  return present.size === entries.length && attributes.size === 0;
}

/** Bytes of files that the target has already. */
function bytesOf({ entries }: Manifest, { present }: BatchPlan): number {
  let bytes = 0;
  for (const index of present.copy().values()) bytes += entries.sizeOf(index);
  return bytes;
}

function isGrouped({ properties }: ContentStore): boolean {
  return properties.durability === 'grouped';
}

function orderOf({ report }: TreeCopy, { entries }: Manifest, plan: BatchPlan): PublishOrder {
  return {
    isPresent: (index) => plan.present.has(index),
    needsAttributes: (index) => plan.attributes.has(index),
    isExcluded: () => false,
    forceReplace: true,
    onRefused: (index, error) => report.leftOut(entries.pathOf(index), error),
    onUnkept: (unkept) => {
      for (const { kind, first, code, entries: count } of unkept) {
        const message = `the target does not keep ${kind} of ${count} entries`;
        report.leftOut(entries.pathOf(first), new CairnError(code, message, { details: { kind } }));
      }
    },
  };
}
