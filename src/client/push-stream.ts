/** `cairn push - URL`: a stream whose length is not known before it ends. */
import { CairnError } from '../base/errors.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, transferDigest } from '../manifest/digest.ts';
import { portableMode } from '../manifest/entry.ts';
import { createLayout, MAX_CHUNKS } from '../manifest/layout.ts';
import { createManifest, type Manifest } from '../manifest/manifest.ts';
import { EVERYTHING } from '../wire/messages.ts';
import { PLAN } from '../wire/routes.ts';
import type { TransferSummary } from './api/events.ts';
import type { TransferOptions } from './api/options.ts';
import { sendStream, type StreamJob } from './push/stream-sender.ts';
import { StreamWindow } from './push/stream-window.ts';
import { establishRequest } from './session/plan-agreement.ts';
import { commitTransfer } from './session/committing.ts';
import { orAbandon } from './session/give-up.ts';
import { establish, putManifest, putPlan } from './session/session-calls.ts';
import { createSessionClient, type SessionClient } from './session/session-client.ts';
import { treeBody } from './session/tree-body.ts';
import { runStream, tellStream, windowOf, type Stream } from './transfer/stream-run.ts';
import type { TransferContext } from './transfer/transfer-context.ts';
import { createProgress } from './transfer/transfer-progress.ts';

const STREAM_MODE = 0o644;

/** What a caller may do around a stream. */
export interface StreamHooks {
  /** Called when everything is at the server and nothing is published yet; what it throws ends the transfer. */
  readonly beforeCommit?: () => Promise<void>;
}

/**
 * Pushes a stream to exactly the URL. It survives cuts and restarts of the server, not the end of this process: a pipe
 * cannot be read twice. When it fails nothing is published.
 *
 * @throws CairnError `usage` for a URL that ends with a slash, network, session and storage codes, what the source and
 * the hook throw, the signal's reason
 */
export function pushStream(
  source: AsyncIterable<Uint8Array>,
  options: TransferOptions,
  hooks: StreamHooks = {},
): Promise<TransferSummary> {
  const { forceReplace } = options;
  return runStream('push', options, {
    establish: (context, chunkSizeBytes) => establishStream(context, options, chunkSizeBytes),
    carry: (stream) => carry(source, { ...stream, hooks, forceReplace }),
  });
}

async function establishStream(
  context: TransferContext,
  options: TransferOptions,
  wishedBytes: number,
): Promise<{ session: SessionClient; manifest: Manifest }> {
  const { target } = context.server;
  if (target.endsWith('/')) {
    const message =
      'a stream has no name of its own: the URL must be that of a file, without a slash at the end';
    throw new CairnError('usage', message);
  }
  const request = establishRequest(context, {
    direction: 'push',
    target,
    digest: options.digest,
    chunkSizeBytes: wishedBytes,
    sync: options.sync,
    ...(options.preserveModes === true ? { preserveModes: true } : {}),
  });
  const terms = await context.retrier.run(() => establish(context.server, request, context.signal));
  const session = createSessionClient(context, terms);
  const { chunkSizeBytes, digest } = terms;
  const mtimeNs = BigInt(Date.now()) * 1_000_000n;
  const entry = {
    type: 'stream',
    path: '',
    sizeBytes: 0,
    mode:
      options.chmod === undefined
        ? STREAM_MODE
        : portableMode('stream', options.chmod.change('stream', STREAM_MODE)),
    mtimeNs,
    linkTarget: '',
  } as const;
  const manifest = createManifest({ chunkSizeBytes, digest }, [entry]);
  await orAbandon(session, async () => {
    const { forceReplace } = options;
    const comparison = await session.run((at) =>
      putManifest(at, treeBody(manifest, []), { plan: PLAN.proposed, forceReplace }),
    );
    const accepted = comparison.accepted ?? (await session.run((at) => putPlan(at, EVERYTHING)));
    if (accepted.chunkCount !== null)
      throw new CairnError('digest-mismatch', 'the server computed a size for a stream that has not begun');
  });
  return { session, manifest };
}

interface Carried extends Stream {
  readonly hooks: StreamHooks;
  readonly forceReplace: boolean | undefined;
}

async function carry(
  source: AsyncIterable<Uint8Array>,
  { context, session, manifest, hooks, forceReplace }: Carried,
): Promise<{ bytesTotal: number; digest: string }> {
  const { chunkSizeBytes } = manifest;
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const capacity = windowOf(manifest, session.parallel.width + 3);
  const { unconfirmedBytes } = context.server.connection;
  const whole = { manifest, layout: createLayout(manifest), name: '-' };
  const job: StreamJob = {
    context,
    session,
    window: new StreamWindow(chunkSizeBytes, capacity, digestLengthBytes),
    progress: createProgress(context, whole, unconfirmedBytes),
    createHasher: await loadHasher(manifest.digest),
    digestLengthBytes,
    workers: Math.max(1, Math.min(session.parallel.width, capacity - 1)),
  };
  session.setHooks({
    onCheckpoint: async (reply, { epoch }) => {
      const there = ChunkDigests.decode(reply.chunks, digestLengthBytes, MAX_CHUNKS);
      for (const { chunk, bytes } of job.window.restart(there)) job.progress.lost(chunk, bytes.byteLength);
      context.report({ type: 'resumed', epoch, bytesResumed: there.chunks.size * chunkSizeBytes });
    },
  });
  tellStream(context.report, null);
  await sendStream(job, source);
  await hooks.beforeCommit?.();
  context.signal.throwIfAborted();
  const { bytesTotal, digests } = job.window;
  const pairs = Array.from(digests.chunks.values(), (chunk) => [chunk, digests.get(chunk)!] as const);
  const digest = transferDigest(manifest.id, bytesTotal, pairs);
  const request = { digest, bytesTotal, excluded: [], forceReplace };
  await commitTransfer(context, session, { request: () => request, mend: async () => false });
  return { bytesTotal, digest };
}
