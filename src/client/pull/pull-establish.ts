/** The beginning of every pull: a session, and its manifest, checked. */
import { CairnError } from '../../base/errors.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import { isStream } from '../../manifest/layout.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import { knownKinds, type MetadataKind, type UncarriedCounts } from '../../manifest/metadata.ts';
import { EVERYTHING } from '../../wire/messages.ts';
import { PLAN } from '../../wire/routes.ts';
import type { Notice } from '../../wire/tree-stream.ts';
import { agreeOnPlan, establishRequest, openForChunks } from '../session/plan-agreement.ts';
import { orAbandon } from '../session/give-up.ts';
import { establish, getManifest } from '../session/session-calls.ts';
import { createSessionClient, type SessionClient } from '../session/session-client.ts';
import type { TransferContext } from '../transfer/transfer-context.ts';

/** A pull that has begun. */
export interface EstablishedPull {
  readonly session: SessionClient;
  readonly manifest: Manifest;
  /** What the server had to leave out. */
  readonly notices: readonly Notice[];
  /** How many entries have something that is not carried, where metadata is wished. */
  readonly uncarried: UncarriedCounts;
}

/** The wishes for a pull. */
export interface PullWish {
  readonly chunkSizeBytes: number;
  readonly isLargestChunkSize?: boolean;
  readonly digest: DigestAlgorithm | undefined;
  /** Whether all of it is to be carried, whatever it is: that is agreed then, with the manifest where the server can. */
  readonly isForEverything?: boolean;
  /** The kinds of metadata that entries shall have. */
  readonly metadata?: readonly MetadataKind[];
}

/**
 * Establishes a pull of the context's target and fetches its manifest. A session without one is freed at once.
 *
 * @throws CairnError `not-found`, `manifest-invalid` and path codes for what a hostile server may send, network codes
 */
export async function establishPull(
  context: TransferContext,
  { isForEverything = false, metadata = [], ...wished }: PullWish,
): Promise<EstablishedPull> {
  const { server, retrier, signal, wishedChunks } = context;
  const carried = metadata.length === 0 ? {} : { metadata: [...metadata] };
  const wish = { ...wished, ...carried, direction: 'pull' as const, target: server.target, wishedChunks };
  const request = establishRequest(context, wish);
  const session = createSessionClient(context, await retrier.run(() => establish(server, request, signal)));
  retrier.progressed();
  return orAbandon(session, async () => {
    const { fileBytes, chunkSizeBytes } = session.terms;
    if (isForEverything && fileBytes !== undefined)
      openForChunks(context, session, () => Math.ceil(fileBytes / chunkSizeBytes));
    const asked = { plan: isForEverything ? PLAN.everything : undefined, isToTell: metadata.length > 0 };
    const { manifest, notices, uncarried, isPlanAgreed } = await session.run((at) => getManifest(at, asked));
    retrier.progressed();
    checkManifest(session, manifest, metadata);
    if (isForEverything && !isPlanAgreed) await agreeOnPlan(context, session, manifest, EVERYTHING);
    return { session, manifest, notices, uncarried };
  });
}

/** What a manifest says must be what was agreed. @throws CairnError `manifest-invalid` */
function checkManifest({ terms }: SessionClient, manifest: Manifest, wished: readonly MetadataKind[]): void {
  const { chunkSizeBytes, digest } = manifest;
  const agreed = knownKinds(terms.metadata ?? []).filter((kind) => wished.includes(kind));
  const isAsAgreed = (manifest.metadata ?? []).join(' ') === agreed.join(' ');
  if (chunkSizeBytes !== terms.chunkSizeBytes || digest !== terms.digest || !isAsAgreed) {
    throw new CairnError(
      'manifest-invalid',
      'the manifest is refused: it has other parameters than were agreed',
    );
  }
  // A stream is always alone: what came was checked for that.
  if (isStream(manifest)) {
    throw new CairnError(
      'manifest-invalid',
      'the manifest is refused: it has a stream, but a published file has a size',
    );
  }
}
