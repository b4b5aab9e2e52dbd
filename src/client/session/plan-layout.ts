/** The layout that a plan leads to. Pure. */
import { ChunkSet } from '../../checkpoint/chunk-set.ts';
import { createLayout, type Layout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { sumOfRanges } from '../../manifest/assembly.ts';
import type { Parts } from '../../manifest/parts-document.ts';
import type { Plan } from '../../wire/messages.ts';

/** A plan with the document that its `parts` name, where it has any. */
export type PartsPlan = Plan & { readonly assemblies?: Parts | undefined };

/** The layout of all entries but those that the receiver has, and of the carried parts of others. */
export function layoutOf(manifest: Manifest, plan: Pick<PartsPlan, 'have' | 'assemblies'>): Layout {
  const have = ChunkSet.fromRuns(plan.have, manifest.entries.length);
  return createLayout(manifest, {
    isPresent: (index) => have.has(index),
    partsBytesOf: (index) => {
      const assembly = plan.assemblies?.get(index);
      return assembly && sumOfRanges(assembly.carried);
    },
  });
}
