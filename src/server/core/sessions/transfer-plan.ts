/** The transfer that both sides agreed on: the manifest, the entries that are not carried, and the resulting layout. */
import { createBreather } from '../../../base/breather.ts';
import { CairnError } from '../../../base/errors.ts';
import { createLayout, isStream, type Layout } from '../../../manifest/layout.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import { copiedBytesOf, type Parts } from '../../../manifest/parts-document.ts';
import { sumOfRanges } from '../../../manifest/assembly.ts';
import type { Plan, PlanAccepted } from '../../../wire/messages.ts';
import type { PlanSets } from './plan-text.ts';

/** Entries between two looks at the time. */
const LINKS_AT_A_TIME = 1024;

/** An agreed plan, ready for use. */
export interface TransferPlan extends PlanSets {
  readonly manifest: Manifest;
  readonly layout: Layout;
}

/**
 * Checks a plan against its manifest and computes the layout.
 *
 * @throws CairnError `invalid-request`, `manifest-too-large`
 */
export function createPlan(manifest: Manifest, { have, attributes, parts }: PlanSets): TransferPlan {
  for (const index of attributes.values()) {
    if (!have.has(index)) {
      throw new CairnError(
        'invalid-request',
        `the plan sets only the attributes of entry ${index}, and carries it too`,
      );
    }
  }
  if (isStream(manifest) && have.size > 0) {
    throw new CairnError('invalid-request', 'the plan says that a stream is already there, which cannot be');
  }
  checkParts(have, parts);
  const layout = createLayout(manifest, {
    isPresent: (index) => have.has(index),
    partsBytesOf: (index) => {
      const assembly = parts?.assemblies.get(index);
      return assembly && sumOfRanges(assembly.carried);
    },
  });
  return { manifest, have, attributes, layout, parts };
}

function checkParts(have: PlanSets['have'], parts: PlanSets['parts']): void {
  for (const index of parts?.assemblies.keys() ?? []) {
    if (!have.has(index)) continue;
    throw new CairnError('invalid-request', `the plan has parts of entry ${index}, which is already there`);
  }
}

/** Bytes of the files that have parts: of the whole files, and of the ranges that are copied. */
export function assembledBytesOf({ parts }: Pick<TransferPlan, 'parts'>): {
  readonly whole: number;
  readonly copied: number;
} {
  let [whole, copied] = [0, 0];
  const assemblies: Parts = parts?.assemblies ?? new Map();
  for (const assembly of assemblies.values()) {
    whole += assembly.recipe.sizeBytes;
    copied += copiedBytesOf(assembly);
  }
  return { whole, copied };
}

/** The plan as it stands on the wire. */
export function encodePlan(plan: TransferPlan): Plan {
  const sets = { have: plan.have.runs(), attributes: plan.attributes.runs() };
  return plan.parts === undefined ? sets : { ...sets, parts: plan.parts.id };
}

/** Whether two plans say the same. */
export function samePlan(a: TransferPlan, b: TransferPlan): boolean {
  return a.have.equals(b.have) && a.attributes.equals(b.attributes) && a.parts?.id === b.parts?.id;
}

/**
 * Bytes of the targets of the carried links: no payload, but a quota counts them. Lets the event loop run meanwhile,
 * since there may be millions.
 */
export async function linkBytesOf({
  manifest: { entries },
  have,
}: Pick<TransferPlan, 'manifest' | 'have'>): Promise<number> {
  const breathe = createBreather();
  let bytes = 0;
  for (let index = 0; index < entries.length; index++) {
    if (index % LINKS_AT_A_TIME === 0) await breathe();
    if (!have.has(index)) bytes += Buffer.byteLength(entries.linkTargetOf(index));
  }
  return bytes;
}

/** The answer to a plan: numbers that the client has computed, too. */
export function acceptanceOf({ layout }: TransferPlan): PlanAccepted {
  const known = layout.bytesTotal !== undefined;
  return { chunkCount: known ? layout.chunkCount : null, bytesTotal: layout.bytesTotal ?? null };
}
