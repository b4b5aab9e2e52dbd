/** `PUT sessions/{id}/manifest`: takes the manifest of a push and compares it with the target. */
import type { ContentStore } from '../../../storage/content-store.ts';
import type { Comparison } from '../../../wire/messages.ts';
import { HEADER, PLAN, REPLACE_ANY } from '../../../wire/routes.ts';
import type { Limiter } from '../../core/limiter.ts';
import type { SessionWork } from '../../core/sessions/admission.ts';
import { agreeOnProposed, type Agree } from '../../core/sessions/agreeing.ts';
import { compareTarget } from '../../core/sessions/compare-target.ts';
import type { TakeManifest } from '../../core/sessions/manifest-taking.ts';
import { planSetsOf } from '../../core/sessions/plan-text.ts';
import { acceptanceOf, encodePlan } from '../../core/sessions/transfer-plan.ts';
import { clientSignal } from '../../http/client-signal.ts';
import { contentLengthOf, openBody, type Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import { refuseDocument } from './refuse-document.ts';
import type { WithSession } from './session-request.ts';

/** What {@link createPutManifestHandler} needs. */
export interface PushManifest {
  readonly takeManifest: TakeManifest;
  readonly content: ContentStore;
  readonly scanLimiter: Limiter;
  readonly agree: Agree;
  /** Longest manifest, in bytes. */
  readonly maxBytes: number;
}

/** Makes the handler that takes a manifest and answers with the entries that the target has already. */
export function createPutManifestHandler(withSession: WithSession, taking: PushManifest): IdHandler {
  const { takeManifest, content, scanLimiter, agree, maxBytes } = taking;
  return (exchange, id) =>
    withSession(exchange, { id, event: 'prepare', direction: 'push' }, async (work) => {
      const { live } = work;
      const signal = clientSignal(exchange);
      const coming = { lengthBytes: contentLengthOf(exchange), open: () => openBody(exchange), signal };
      const manifest = await live
        .exclusive(() => takeManifest(work, coming))
        .catch((error: unknown) => refuseDocument(exchange, error, maxBytes));
      const mayReplace = exchange.request.headers[HEADER.replace] === REPLACE_ANY;
      const { principal } = live.record.value;
      const comparison = await scanLimiter({ principal, signal }, () =>
        compareTarget(content, live.record.value, manifest, mayReplace),
      );
      await sendJson(exchange, 200, await agreed(agree, exchange, work, comparison));
    });
}

/** The comparison; where the client wants that, with an agreement on the plan that it proposes. */
async function agreed(
  agree: Agree,
  { request }: Exchange,
  work: SessionWork,
  comparison: Comparison,
): Promise<Comparison> {
  const wanted = request.headers[HEADER.plan];
  const isClear = wanted === PLAN.proposedUnlessOlder && comparison.older === undefined;
  if (wanted !== PLAN.proposed && !isClear) return comparison;
  const proposed = planSetsOf(comparison, (await work.live.content.manifest.get()).entries.length);
  const plan = await work.live.exclusive(() => agreeOnProposed(agree, work, proposed));
  return { ...comparison, ...encodePlan(plan), accepted: acceptanceOf(plan) };
}
