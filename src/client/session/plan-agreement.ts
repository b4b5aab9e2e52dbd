/** What both sides have to agree on before the first byte. */
import { randomBytes } from 'node:crypto';
import { CairnError } from '../../base/errors.ts';
import type { DigestAlgorithm } from '../../manifest/digest.ts';
import type { Manifest } from '../../manifest/manifest.ts';
import type { EstablishRequest, Plan, PlanAccepted } from '../../wire/messages.ts';
import { PROTOCOL_VERSION } from '../../wire/routes.ts';
import { layoutOf, type PartsPlan } from './plan-layout.ts';
import { putPlan } from './session-calls.ts';
import type { Offers, SessionClient } from './session-client.ts';
import type { Server } from '../http/server-calls.ts';

/** The way to the server, and how many chunks there will be on it at first. */
interface Line {
  readonly server: Server;
  readonly flow: { startWidth(chunkSizeBytes: number): number };
}

/** The wishes for a session. */
export type SessionWish = Omit<
  EstablishRequest,
  'protocol' | 'requestId' | 'digests' | 'parallel' | 'encodings'
> & {
  /** Undefined: the server chooses. */
  readonly digest: DigestAlgorithm | undefined;
};

/** The request for a session, the same in every try: a lost answer leaves no second session behind. */
export function establishRequest(
  { parallel, compression }: { readonly parallel: number; readonly compression: Offers },
  { digest, ...wish }: SessionWish,
): EstablishRequest {
  return {
    ...wish,
    protocol: PROTOCOL_VERSION,
    requestId: randomBytes(16).toString('base64url'),
    // SHA-256 is asked for where the other side is not trusted: then nothing less will do.
    digests: digest === 'sha256' ? ['sha256'] : ['xxh64', 'sha256'],
    parallel,
    encodings: compression.offers,
  };
}

/**
 * Tells the server the plan, whose parts it has by now, unless it has accepted it already, and makes sure that both sides computed the same layout.
 *
 * @throws CairnError `digest-mismatch` where they did not; network and session codes
 */
export async function agreeOnPlan(
  line: Line,
  session: SessionClient,
  manifest: Manifest,
  plan: PartsPlan,
  acceptedBefore?: PlanAccepted,
): Promise<void> {
  const { chunkCount, bytesTotal } = layoutOf(manifest, plan);
  const accepted = acceptedBefore ?? (await tell(line, session, plan, chunkCount));
  if (accepted.chunkCount === chunkCount && accepted.bytesTotal === bytesTotal) return;
  throw new CairnError(
    'digest-mismatch',
    `the server computed another layout (${accepted.chunkCount} chunks) than this side (${chunkCount})`,
    {
      details: { ours: chunkCount, theirs: accepted.chunkCount ?? -1 },
    },
  );
}

function tell(
  line: Line,
  session: SessionClient,
  { have, attributes, parts }: Plan,
  chunkCount: number,
): Promise<PlanAccepted> {
  openForChunks(line, session, () => chunkCount);
  return session.run((at) => putPlan(at, { have, attributes, parts }));
}

/**
 * While what both sides agree on is on its way, connections are opened for the chunks that follow it; channels open their
 * own.
 */
export function openForChunks(
  { server, flow }: Line,
  { terms }: SessionClient,
  countChunks: () => number,
): void {
  if (server.chunks !== server.connection) return;
  const wanted = Math.min(flow.startWidth(terms.chunkSizeBytes), terms.parallel, countChunks());
  // The one over which it goes is free by then, and a commit may be sent beside the last chunks.
  server.connection.openAhead(wanted - (terms.commitAwaitsChunks === true ? 0 : 1));
}
