/** `PUT sessions/{id}/manifest`: takes the manifest of a push and says what of it is there already. */
import { CairnError } from '../../base/errors.ts';
import { createLayout } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Comparison } from '../../protocol/messages.ts';
import { HEADER, PLAN, REPLACE_ANY } from '../../protocol/routes.ts';
import { readTree, type Notice } from '../../protocol/tree-stream.ts';
import type { SessionRecord } from '../../session/record.ts';
import { compareWithTarget } from '../../storage/compare.ts';
import { openBody, type Exchange } from '../http/exchange.ts';
import { sendJson } from '../http/reply.ts';
import type { ServerContext } from '../server-context.ts';
import { planSetsOf } from '../sessions/plan-text.ts';
import { saveManifest } from '../sessions/session-documents.ts';
import { acceptanceOf, encodePlan } from '../sessions/transfer-plan.ts';
import { agreeOnProposed } from './agreeing.ts';
import { amongScans } from './scans.ts';
import { withSession, type SessionWork } from './session-request.ts';

/** Takes a manifest and answers with what of it the target has. */
export function handlePutManifest(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare', direction: 'push' }, async (work) => {
    const { manifest, notices } = await work.live.exclusive(async () => {
      const tree = await readTree(openBody(exchange), context.limits.manifest);
      await keepManifest(work, tree);
      return tree;
    });
    const entries = manifest.entries.length;
    context.log.info({ session: id, entries, notices: notices.length }, 'manifest received');
    const mayReplace = exchange.request.headers[HEADER.replace] === REPLACE_ANY;
    const { principal, target } = work.live.record.value;
    const comparison = await amongScans(context, { principal, exchange }, () =>
      compareWithTarget(context.content, target, manifest, mayReplace),
    );
    await sendJson(exchange, 200, await agreed(context, exchange, work, comparison));
  });
}

/** The comparison; with the plan that it proposes agreed, where the client wants that. */
async function agreed(
  context: ServerContext,
  { request }: Exchange,
  work: SessionWork,
  comparison: Comparison,
): Promise<Comparison> {
  if (request.headers[HEADER.plan] !== PLAN.proposed) return comparison;
  const proposed = planSetsOf(comparison, (await work.live.content.manifest.get()).entries.length);
  const plan = await work.live.exclusive(() => agreeOnProposed(context, work, proposed));
  return { ...comparison, ...encodePlan(plan), accepted: acceptanceOf(plan) };
}

async function keepManifest(
  { live, epoch }: SessionWork,
  { manifest, notices }: { manifest: Manifest; notices: Notice[] },
): Promise<void> {
  const { manifestId } = live.record.value;
  const area = await live.content.area.get();
  if (manifestId === manifest.id && (await area.load('manifest')) !== undefined) return;
  if (manifestId !== null && manifestId !== manifest.id) {
    throw new CairnError('session-state', 'the session has another manifest; start a new one for this');
  }
  checkAgreed(live.record.value, manifest);
  createLayout(manifest); // refuses sizes that no transfer can have
  live.record.checkEpoch(epoch);
  await saveManifest(area, manifest, notices);
  await live.record.change('prepare', { manifestId: manifest.id }, epoch);
  live.content.manifest.set(manifest);
}

function checkAgreed(record: SessionRecord, manifest: Manifest): void {
  if (manifest.chunkSizeBytes === record.chunkSizeBytes && manifest.digest === record.digest) return;
  throw new CairnError(
    'manifest-invalid',
    `the manifest has chunks of ${manifest.chunkSizeBytes} bytes with ${manifest.digest}, but ${record.chunkSizeBytes} bytes with ${record.digest} were agreed`,
  );
}
