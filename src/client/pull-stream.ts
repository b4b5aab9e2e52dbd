/** `cairn pull URL -`: one file into a pipe, in order, nothing but verified chunks. */
import { CairnError } from '../base/errors.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES, loadHasher } from '../manifest/digest.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { EVERYTHING } from '../wire/messages.ts';
import { commitRequest } from './session/commit-request.ts';
import { commitTransfer } from './session/committing.ts';
import { NOTHING_IS_KEPT, tellingWhatIsKept } from './state/kept.ts';
import type { TransferSummary } from './api/events.ts';
import { fetchInOrder } from './pull/ordered-fetch.ts';
import { DEFAULT_STREAM_CHUNK_SIZE_BYTES, type TransferOptions } from './api/options.ts';
import { layoutOf } from './session/plan-layout.ts';
import { establishPull } from './pull/pull-establish.ts';
import type { SessionClient } from './session/session-client.ts';
import { countsOf, openContext, type TransferContext } from './transfer/transfer-context.ts';
import { createProgress } from './transfer/transfer-progress.ts';

/** Memory for chunks that wait for their turn, in bytes. */
const WINDOW_BYTES = 16 * 1024 * 1024;
const MAX_STREAM_CHUNK_SIZE_BYTES = 8 * 1024 * 1024;

/**
 * Pulls a file and passes its bytes on in order. It survives cuts and restarts of the server, not the end of this
 * process. The digest of the whole is agreed after the last byte.
 *
 * @param sink takes bytes; resolves when more may come. The bytes may be overwritten after that
 * @throws CairnError `is-directory`, `symlink-refused`, `source-changed`, network and session codes, `digest-mismatch`,
 * what the sink throws, the signal's reason
 */
export async function pullStream(
  sink: (bytes: Uint8Array) => Promise<void>,
  options: TransferOptions,
): Promise<TransferSummary> {
  let isOpen = false;
  const hasBegun = (): boolean => isOpen;
  options.onStart?.(hasBegun);
  return tellingWhatIsKept(NOTHING_IS_KEPT, async () => {
    const context = await openContext({ ...options, hasBegun });
    try {
      const chunkSizeBytes = Math.min(
        options.chunkSizeBytes ?? DEFAULT_STREAM_CHUNK_SIZE_BYTES,
        MAX_STREAM_CHUNK_SIZE_BYTES,
      );
      const wish = { chunkSizeBytes, digest: options.digest, isForEverything: true };
      const { session, manifest } = await establishPull(context, wish);
      isOpen = true;
      try {
        return await session.keepingLease(() => carry(context, session, manifest, sink));
      } catch (error) {
        await session.abandon();
        throw error;
      }
    } finally {
      await context.close();
    }
  });
}

/** A pipe takes the bytes of one file. @throws CairnError `is-directory`, `symlink-refused` */
function checkIsFile({ entries }: Manifest): void {
  const [entry] = entries;
  if (entry?.path === '' && entry.type === 'file') return;
  if (entry?.type === 'symlink' && entry.path === '') {
    throw new CairnError(
      'symlink-refused',
      'the URL is that of a symbolic link, which has no bytes of its own',
    );
  }
  throw new CairnError(
    'is-directory',
    'the URL is that of a directory, and only a file can go into a pipe; pull it into a directory',
  );
}

async function carry(
  context: TransferContext,
  session: SessionClient,
  manifest: Manifest,
  sink: (bytes: Uint8Array) => Promise<void>,
): Promise<TransferSummary> {
  checkIsFile(manifest);
  const layout = layoutOf(manifest, EVERYTHING);
  const { bytesTotal = 0 } = layout;
  context.report({ type: 'planned', entries: 1, carried: 1, bytesTotal, bytesSkipped: 0, bytesResumed: 0 });
  context.report({ type: 'phase', phase: 'transferring', entries: 1 });
  const digests = new ChunkDigests(DIGEST_LENGTH_BYTES[manifest.digest]);
  await fetchInOrder({
    context,
    session,
    layout,
    digests,
    progress: createProgress(context, { manifest, layout, name: '-' }),
    createHasher: await loadHasher(manifest.digest),
    workers: Math.max(
      2,
      Math.min(session.parallel.width + 1, Math.floor(WINDOW_BYTES / manifest.chunkSizeBytes)),
    ),
    slotBytes: Math.min(manifest.chunkSizeBytes, bytesTotal),
    sink,
  });
  const request = commitRequest(manifest, layout, digests, new ChunkSet());
  await commitTransfer(context, session, {
    request: () => request,
    mend: async () => false,
  });
  return {
    direction: 'pull',
    entries: 1,
    changed: 1,
    bytesTotal,
    bytesSkipped: 0,
    bytesResumed: 0,
    digest: request.digest,
    excluded: 0,
    ...countsOf(context),
  };
}
