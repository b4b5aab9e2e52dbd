/**
 * What a batch of a copy has to carry, kept with its staged chunks: a copy that was killed while it published has a part of the
 * entries in their places, and another comparison would cut other chunks.
 */
import * as v from 'valibot';
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { compareWithTarget } from '../../transfer/compare.ts';
import type { EntryLookup } from '../../transfer/entry-lookup.ts';
import type { ModeWishes } from '../../manifest/modes.ts';
import type { StagingArea } from '../content-store.ts';

/** The plan of a batch. */
export interface BatchPlan {
  /** Entries whose bytes the target has, by index. */
  readonly present: ChunkSet;
  /** Those among them whose mode, time or metadata is to be set. */
  readonly attributes: ChunkSet;
  /** Whether all chunks were staged and read back, so that publishing has begun. */
  readonly isPublishing: boolean;
}

const runs = v.array(v.number());
const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ manifestId: v.string(), present: runs, attributes: runs, isPublishing: v.boolean() }),
);

/** Compares a batch with what the target has. @throws CairnError storage codes */
export async function planBatch(to: EntryLookup, manifest: Manifest, modes: ModeWishes): Promise<BatchPlan> {
  const { have, attributes } = await compareWithTarget(to, '', manifest, { mayReplace: true, modes });
  const { length } = manifest.entries;
  const toSet = ChunkSet.fromRuns(attributes, length);
  // The time of the root changes with what the server keeps in it.
  if (modes.keepsTarget === true && manifest.entries.pathOf(0) === '') toSet.delete(0);
  return { present: ChunkSet.fromRuns(have, length), attributes: toSet, isPublishing: false };
}

/** Keeps a plan. @throws CairnError storage codes */
export async function saveBatchPlan(
  area: Pick<StagingArea, 'save'>,
  manifest: Pick<Manifest, 'id'>,
  { present, attributes, isPublishing }: BatchPlan,
): Promise<void> {
  const kept = {
    manifestId: manifest.id,
    present: present.runs(),
    attributes: attributes.runs(),
    isPublishing,
  };
  await area.save('plan', [JSON.stringify(kept)]);
}

/** The plan that was kept for this very batch; undefined where there is none. @throws CairnError storage codes */
export async function loadBatchPlan(
  area: Pick<StagingArea, 'load'>,
  { id, entries }: Pick<Manifest, 'id' | 'entries'>,
): Promise<BatchPlan | undefined> {
  const pieces: Buffer[] = [];
  for await (const piece of (await area.load('plan')) ?? []) pieces.push(Buffer.from(piece));
  const result = v.safeParse(schema, Buffer.concat(pieces).toString());
  if (!result.success || result.output.manifestId !== id) return undefined;
  const { present, attributes, isPublishing } = result.output;
  return {
    present: ChunkSet.fromRuns(present, entries.length),
    attributes: ChunkSet.fromRuns(attributes, entries.length),
    isPublishing,
  };
}
