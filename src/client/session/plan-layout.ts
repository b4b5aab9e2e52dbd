/** The layout that a plan leads to. Pure. */
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { createLayout, type Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Plan } from '../../wire/messages.ts';

/** The layout of all entries but those that the receiver has. */
export function layoutOf(manifest: Manifest, plan: Pick<Plan, 'have'>): Layout {
  const have = ChunkSet.fromRuns(plan.have, manifest.entries.length);
  return createLayout(manifest, { isPresent: (index) => have.has(index) });
}
