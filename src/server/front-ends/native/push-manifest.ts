/** `PUT sessions/{id}/manifest`: takes the manifest of a push and says what of it is there already. */
import { CairnError, type ErrorCode } from '../../../base/errors.ts';
import { createLayout } from '../../../manifest/layout.ts';
import type { Manifest } from '../../../manifest/manifest.ts';
import type { Comparison } from '../../../wire/messages.ts';
import { HEADER, PLAN, REPLACE_ANY } from '../../../wire/routes.ts';
import { readTree, type Notice } from '../../../wire/tree-stream.ts';
import type { SessionRecord } from '../../../session/record.ts';
import { contentLengthOf, drainBody, openBody, type Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../http/reply.ts';
import { checkManifest, openUsage } from '../../core/quota/quota.ts';
import type { ServerContext } from '../../server-context.ts';
import { planSetsOf } from '../../core/sessions/plan-text.ts';
import { saveManifest } from '../../core/sessions/session-documents.ts';
import { acceptanceOf, encodePlan } from '../../core/sessions/transfer-plan.ts';
import { agreeOnProposed } from './agreeing.ts';
import { compareTarget } from './compare-target.ts';
import { amongManifests, amongScans } from './scans.ts';
import { withSession, type SessionWork } from './session-request.ts';

/** A manifest takes so much memory when it begins to come, and twice as much each time that this is used up. */
const FIRST_BYTES = 64 * 1024;
/** How long the rest of a manifest that was refused is read. */
const DRAIN_MS = 60_000;
const REFUSED_FOR_SIZE: ReadonlySet<ErrorCode> = new Set(['quota-exceeded', 'server-busy', 'storage-full']);

/** Takes a manifest and answers with what of it the target has. */
export function handlePutManifest(context: ServerContext, exchange: Exchange, id: string): Promise<void> {
  return withSession(context, exchange, { id, event: 'prepare', direction: 'push' }, async (work) => {
    const { manifest, notices } = await work.live
      .exclusive(() => takeManifest(context, exchange, work))
      .catch((error: unknown) => refuseManifest(exchange, error, context.limits.manifest.maxBytes));
    const entries = manifest.entries.length;
    context.log.info({ session: id, entries, notices: notices.length }, 'manifest received');
    const mayReplace = exchange.request.headers[HEADER.replace] === REPLACE_ANY;
    const { principal } = work.live.record.value;
    const comparison = await amongScans(context, { principal, exchange }, () =>
      compareTarget(context.content, work.live.record.value, manifest, mayReplace),
    );
    await sendJson(exchange, 200, await agreed(context, exchange, work, comparison));
  });
}

/**
 * A sender writes all of a manifest before it looks for an answer, and a proxy may close the connection after that: what
 * was refused for its size is read to its end.
 */
async function refuseManifest(exchange: Exchange, error: unknown, maxBytes: number): Promise<never> {
  const isRefused = error instanceof CairnError && REFUSED_FOR_SIZE.has(error.code);
  const isBounded = (contentLengthOf(exchange) ?? Infinity) <= maxBytes;
  if (isRefused && isBounded && !exchange.awaitsContinue)
    await drainBody(exchange, { maxBytes, maxMs: DRAIN_MS });
  throw error;
}

/**
 * Reads a manifest and keeps it: room for it, and its part of quotas, are taken before anything is read, and given back
 * where nothing is kept.
 */
async function takeManifest(
  context: ServerContext,
  exchange: Exchange,
  work: SessionWork,
): Promise<{ manifest: Manifest; notices: Notice[] }> {
  const { room, usage, limits } = context;
  const { id, principal, authorization } = work.live.record.value;
  const lengthBytes = contentLengthOf(exchange);
  // As long again may be what its sender had to leave out.
  if ((lengthBytes ?? 0) > 2 * limits.manifest.maxBytes) throw tooLong(limits.manifest.maxBytes);
  const roomBefore = room.of(id);
  const check = (manifestBytes: number, entries: number): void => {
    if (authorization === undefined) return;
    checkManifest(usage, { authorization, session: id }, { manifestBytes, entries }, limits);
  };
  const cost = Math.min(lengthBytes ?? Infinity, FIRST_BYTES);
  return amongManifests(context, { principal, exchange, cost }, async (grow) => {
    await openUsage(usage);
    try {
      check(lengthBytes ?? 0, 0);
      await room.takeDocuments(id, lengthBytes ?? 0, 'push');
      let mayHoldBytes = cost;
      const body = counted(openBody(exchange), async (bytes) => {
        room.grow(id, bytes);
        if (bytes <= mayHoldBytes) return;
        mayHoldBytes = Math.max(bytes, 2 * mayHoldBytes);
        // Its sender may not have said how long it is.
        check(Math.max(bytes, lengthBytes ?? 0), 0);
        await grow(mayHoldBytes);
      });
      const tree = await readTree(body, limits.manifest);
      const { encodedBytes, entries } = tree.manifest;
      check(Math.max(lengthBytes ?? 0, encodedBytes), entries.length);
      await keepManifest(work, tree, room.of(id));
      return tree;
    } catch (error) {
      usage.tally.release(id);
      room.shrink(id, roomBefore);
      throw error;
    }
  });
}

function tooLong(maxBytes: number): CairnError {
  const message = `the tree has a manifest of more than ${maxBytes} bytes; split it into several transfers`;
  return new CairnError('manifest-too-large', message);
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes: (sum: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let sum = 0;
  for await (const piece of source) {
    sum += piece.byteLength;
    await onBytes(sum);
    yield piece;
  }
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
  manifestBytes: number,
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
  await live.record.change(
    'prepare',
    { manifestId: manifest.id, manifestBytes, entries: manifest.entries.length },
    epoch,
  );
  live.content.manifest.set(manifest);
}

function checkAgreed(record: SessionRecord, manifest: Manifest): void {
  if (manifest.chunkSizeBytes === record.chunkSizeBytes && manifest.digest === record.digest) return;
  throw new CairnError(
    'manifest-invalid',
    `the manifest has chunks of ${manifest.chunkSizeBytes} bytes with ${manifest.digest}, but ${record.chunkSizeBytes} bytes with ${record.digest} were agreed`,
  );
}
