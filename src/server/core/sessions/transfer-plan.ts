/** What both sides agreed to carry: the manifest, what is not carried, and the layout that follows. */
import { createBreather } from '../../../base/breather.ts';
import { CairnError } from '../../../base/errors.ts';
import { createLayout, isStream, type Layout } from '../../../manifest/layout.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { Plan, PlanAccepted } from '../../../wire/messages.ts';
import type { PlanSets } from './plan-text.ts';

/** Entries that are looked at before the time is. */
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
export function createPlan(manifest: Manifest, { have, attributes }: PlanSets): TransferPlan {
  for (const index of attributes.values()) {
    if (!have.has(index)) {
      throw new CairnError('invalid-request', `the plan sets attributes of entry ${index}, which it carries`);
    }
  }
  if (isStream(manifest) && have.size > 0) {
    throw new CairnError('invalid-request', 'a stream is never there already');
  }
  const layout = createLayout(manifest, { isPresent: (index) => have.has(index) });
  return { manifest, have, attributes, layout };
}

/** The plan as it stands on the wire. */
export function encodePlan(plan: TransferPlan): Plan {
  return { have: plan.have.runs(), attributes: plan.attributes.runs() };
}

/** Whether two plans say the same. */
export function samePlan(a: TransferPlan, b: TransferPlan): boolean {
  return a.have.equals(b.have) && a.attributes.equals(b.attributes);
}

/**
 * Bytes of the targets of links that are carried: no part of the payload, and yet something that is brought. Others have
 * the event loop meanwhile, since there may be millions.
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

/** The answer to a plan: what the client has computed too. */
export function acceptanceOf({ layout }: TransferPlan): PlanAccepted {
  const known = layout.bytesTotal !== undefined;
  return { chunkCount: known ? layout.chunkCount : null, bytesTotal: layout.bytesTotal ?? null };
}
