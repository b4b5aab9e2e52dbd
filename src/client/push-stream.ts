/** `cairn push - URL`: a stream whose length nobody knows before it ends. */
import { CairnError } from '../base/errors.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { DIGEST_LENGTH_BYTES, loadHasher, transferDigest } from '../manifest/digest.ts';
import { portableMode } from '../manifest/entry.ts';
import { createManifest, type Manifest } from '../manifest/manifest.ts';
import { createLayout, MAX_CHUNKS } from '../manifest/layout.ts';
import { EVERYTHING } from '../wire/messages.ts';
import { PLAN, PROTOCOL_VERSION } from '../wire/routes.ts';
import { createRequestId, digestsToOffer } from './session/agreeing.ts';
import { commitTransfer } from './session/committing.ts';
import { treeBody } from './state/documents.ts';
import { NOTHING_IS_KEPT, tellingWhatIsKept } from './state/kept.ts';
import type { TransferSummary } from './api/events.ts';
import { DEFAULT_STREAM_CHUNK_SIZE_BYTES, type TransferOptions } from './api/options.ts';
import { establish, putManifest, putPlan } from './session/session-calls.ts';
import { createSessionClient, type SessionClient } from './session/session-client.ts';
import { sendStream, type StreamJob } from './push/stream-sender.ts';
import { StreamWindow } from './push/stream-window.ts';
import type { RunCounts } from './transfer/pass-result.ts';
import { countsOf, openContext, type TransferContext } from './transfer/transfer-context.ts';
import { createProgress } from './transfer/transfer-progress.ts';

/** Memory for chunks that no sync point covers, in bytes. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const MAX_STREAM_CHUNK_SIZE_BYTES = 8 * 1024 * 1024;
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
export async function pushStream(
  source: AsyncIterable<Uint8Array>,
  options: TransferOptions,
  hooks: StreamHooks = {},
): Promise<TransferSummary> {
  const { forceReplace } = options;
  let isOpen = false;
  const hasBegun = (): boolean => isOpen;
  options.onStart?.(hasBegun);
  return tellingWhatIsKept(NOTHING_IS_KEPT, async () => {
    const context = await openContext({ ...options, hasBegun });
    try {
      if (context.server.target.endsWith('/')) {
        throw new CairnError(
          'usage',
          'a stream has no name of its own: the URL must be that of a file, without a slash at the end',
        );
      }
      const { session, manifest } = await establishStream(context, options);
      isOpen = true;
      try {
        const digest = await session.keepingLease(() =>
          carry(source, { context, session, manifest, hooks, forceReplace }),
        );
        return { ...digest, ...countsOf(context) };
      } catch (error) {
        await session.abandon();
        throw error;
      }
    } finally {
      await context.close();
    }
  });
}

async function establishStream(
  context: TransferContext,
  options: TransferOptions,
): Promise<{ session: SessionClient; manifest: Manifest }> {
  const wished = Math.min(
    options.chunkSizeBytes ?? DEFAULT_STREAM_CHUNK_SIZE_BYTES,
    MAX_STREAM_CHUNK_SIZE_BYTES,
  );
  const request = {
    protocol: PROTOCOL_VERSION,
    requestId: createRequestId(),
    direction: 'push' as const,
    target: context.server.target,
    digests: digestsToOffer(options.digest),
    chunkSizeBytes: wished,
    parallel: context.parallel,
    sync: options.sync,
    ...(options.preserveModes === true ? { preserveModes: true } : {}),
    encodings: context.compression.offers,
  };
  const grant = await context.retrier.run(() => establish(context.server, request, context.signal));
  const session = createSessionClient(context, grant);
  const { chunkSizeBytes, digest } = grant;
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
  try {
    const { forceReplace } = options;
    const comparison = await session.run((at) =>
      putManifest(at, treeBody(manifest, []), { plan: PLAN.proposed, forceReplace }),
    );
    const accepted = comparison.accepted ?? (await session.run((at) => putPlan(at, EVERYTHING)));
    if (accepted.chunkCount !== null)
      throw new CairnError('digest-mismatch', 'the server computed a size for a stream that has not begun');
  } catch (error) {
    await session.abandon();
    throw error;
  }
  return { session, manifest };
}

interface Carried {
  readonly context: TransferContext;
  readonly session: SessionClient;
  readonly manifest: Manifest;
  readonly hooks: StreamHooks;
  readonly forceReplace: boolean | undefined;
}

type StreamResult = Omit<TransferSummary, keyof RunCounts>;

async function carry(
  source: AsyncIterable<Uint8Array>,
  { context, session, manifest, hooks, forceReplace }: Carried,
): Promise<StreamResult> {
  const { chunkSizeBytes } = manifest;
  const digestLengthBytes = DIGEST_LENGTH_BYTES[manifest.digest];
  const capacity = Math.max(
    2,
    Math.min(session.parallel.width + 3, Math.floor(WINDOW_BYTES / chunkSizeBytes)),
  );
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
  const nothing = { bytesSkipped: 0, bytesResumed: 0 };
  context.report({ type: 'planned', entries: 1, carried: 1, bytesTotal: null, ...nothing });
  context.report({ type: 'phase', phase: 'transferring', entries: 1 });
  await sendStream(job, source);
  await hooks.beforeCommit?.();
  context.signal.throwIfAborted();
  const { bytesTotal, digests } = job.window;
  const pairs = Array.from(digests.chunks.values(), (chunk) => [chunk, digests.get(chunk)!] as const);
  const digest = transferDigest(manifest.id, bytesTotal, pairs);
  const request = { digest, bytesTotal, excluded: [], forceReplace };
  await commitTransfer(context, session, {
    request: () => request,
    mend: async () => false,
  });
  return {
    direction: 'push',
    entries: 1,
    changed: 1,
    bytesTotal,
    ...nothing,
    digest,
    excluded: 0,
  };
}
