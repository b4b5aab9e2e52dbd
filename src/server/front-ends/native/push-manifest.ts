/** `PUT sessions/{id}/manifest`: takes the manifest of a push and compares it with the target. */
import { CairnError, type ErrorCode } from '../../../base/errors.ts';
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
import { contentLengthOf, drainBody, openBody, type Exchange } from '../../http/exchange.ts';
import type { IdHandler } from '../../http/handler.ts';
import { sendJson } from '../../http/reply.ts';
import type { WithSession } from './session-request.ts';

/** How long the server reads the rest of a refused manifest. */
const DRAIN_MS = 60_000;
const REFUSED_FOR_SIZE: ReadonlySet<ErrorCode> = new Set(['quota-exceeded', 'server-busy', 'storage-full']);

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
        .catch((error: unknown) => refuseManifest(exchange, error, maxBytes));
      const mayReplace = exchange.request.headers[HEADER.replace] === REPLACE_ANY;
      const { principal } = live.record.value;
      const comparison = await scanLimiter({ principal, signal }, () =>
        compareTarget(content, live.record.value, manifest, mayReplace),
      );
      await sendJson(exchange, 200, await agreed(agree, exchange, work, comparison));
    });
}

/**
 * Reads a manifest that was refused for its size to the end: its sender writes all of it before it reads an answer, and
 * a proxy may close the connection after that.
 */
async function refuseManifest(exchange: Exchange, error: unknown, maxBytes: number): Promise<never> {
  const isRefused = error instanceof CairnError && REFUSED_FOR_SIZE.has(error.code);
  const isBounded = (contentLengthOf(exchange) ?? Infinity) <= maxBytes;
  if (isRefused && isBounded && !exchange.awaitsContinue)
    await drainBody(exchange, { maxBytes, maxMs: DRAIN_MS });
  throw error;
}

/** The comparison; where the client wants that, with an agreement on the plan that it proposes. */
async function agreed(
  agree: Agree,
  { request }: Exchange,
  work: SessionWork,
  comparison: Comparison,
): Promise<Comparison> {
  if (request.headers[HEADER.plan] !== PLAN.proposed) return comparison;
  const proposed = planSetsOf(comparison, (await work.live.content.manifest.get()).entries.length);
  const plan = await work.live.exclusive(() => agreeOnProposed(agree, work, proposed));
  return { ...comparison, ...encodePlan(plan), accepted: acceptanceOf(plan) };
}
