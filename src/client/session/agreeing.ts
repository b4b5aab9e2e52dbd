/** What both sides have to agree on before the first byte. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { Plan } from '../../protocol/messages.ts';
import { layoutOf } from '../transfer/pass-result.ts';
import { putPlan } from './session-calls.ts';
import type { SessionClient } from './session-client.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';

/** An id for one request for a session, the same in every try: a lost answer leaves no second session behind. */
export function createRequestId(): string {
  return randomBytes(16).toString('base64url');
}

/** The digests to offer to a server, by what the user wishes. */
export function digestsToOffer(wished: DigestAlgorithm | undefined): DigestAlgorithm[] {
  // SHA-256 is asked for where the other side is not trusted: then nothing less will do.
  return wished === 'sha256' ? ['sha256'] : ['xxh64', 'sha256'];
}

/**
 * Tells the server the plan and makes sure that both sides computed the same layout.
 *
 * @throws CairnError `digest-mismatch` where they did not; network and session codes
 */
export async function agreeOnPlan(
  context: TransferContext,
  session: SessionClient,
  manifest: Manifest,
  plan: Plan,
): Promise<void> {
  const { chunkCount, bytesTotal } = layoutOf(manifest, plan);
  openForChunks(context, session, { chunkCount, chunkSizeBytes: manifest.chunkSizeBytes });
  const { have, attributes } = plan;
  const accepted = await session.run((at) => putPlan(at, { have, attributes }));
  if (accepted.chunkCount === chunkCount && accepted.bytesTotal === bytesTotal) return;
  throw new CairnError(
    'digest-mismatch',
    `the server computed another layout (${accepted.chunkCount} chunks) than this side (${chunkCount})`,
    {
      details: { ours: chunkCount, theirs: accepted.chunkCount ?? -1 },
    },
  );
}

/** While the plan is on its way, connections are opened for the chunks that follow it; channels open their own. */
function openForChunks(
  { server, flow }: TransferContext,
  { grant }: SessionClient,
  {
    chunkCount,
    chunkSizeBytes,
  }: { readonly chunkCount: number | undefined; readonly chunkSizeBytes: number },
): void {
  if (server.chunks !== server.connection) return;
  const wanted = Math.min(flow.startWidth(chunkSizeBytes), grant.parallel, chunkCount ?? Infinity);
  // The one that the plan goes over is free by then.
  server.connection.openAhead(wanted - 1);
}
