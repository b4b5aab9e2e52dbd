/** `cairn pull URL -`: one file into a pipe, in order, nothing but verified chunks. */
import { CairnError } from '../base/errors.ts';
import { ChunkDigests } from '../checkpoint/chunk-digests.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import { DIGEST_LENGTH_BYTES, loadHasher } from '../manifest/digest.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { EVERYTHING } from '../wire/messages.ts';
import type { TransferSummary } from './api/events.ts';
import type { TransferOptions } from './api/options.ts';
import { fetchInOrder } from './pull/ordered-fetch.ts';
import { establishPull } from './pull/pull-establish.ts';
import { makeClaim } from '../transfer/claim.ts';
import { commitTransfer } from './session/committing.ts';
import { layoutOf } from './session/plan-layout.ts';
import { runStream, tellStream, windowOf, type Stream } from './transfer/stream-run.ts';
import { createProgress } from './transfer/transfer-progress.ts';

/**
 * Pulls a file and passes its bytes on in order. It survives cuts and restarts of the server, not the end of this
 * process. The digest of the whole is agreed after the last byte.
 *
 * @param sink takes bytes; resolves when more may come. The bytes may be overwritten after that
 * @throws CairnError `is-directory`, `symlink-refused`, `source-changed`, network and session codes, `digest-mismatch`,
 * what the sink throws, the signal's reason
 */
export function pullStream(
  sink: (bytes: Uint8Array) => Promise<void>,
  options: TransferOptions,
): Promise<TransferSummary> {
  return runStream('pull', options, {
    establish: (context, chunkSizeBytes) =>
      establishPull(context, { chunkSizeBytes, digest: options.digest, isForEverything: true }),
    carry: (stream) => carry(stream, sink),
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
  { context, session, manifest }: Stream,
  sink: (bytes: Uint8Array) => Promise<void>,
): Promise<{ bytesTotal: number; digest: string }> {
  checkIsFile(manifest);
  const layout = layoutOf(manifest, EVERYTHING);
  const { bytesTotal = 0 } = layout;
  tellStream(context.report, bytesTotal);
  const digests = new ChunkDigests(DIGEST_LENGTH_BYTES[manifest.digest]);
  await fetchInOrder({
    context,
    session,
    layout,
    digests,
    progress: createProgress(context, { manifest, layout, name: '-' }),
    createHasher: await loadHasher(manifest.digest),
    workers: windowOf(manifest, session.parallel.width + 1),
    slotBytes: Math.min(manifest.chunkSizeBytes, bytesTotal),
    sink,
  });
  const request = makeClaim(manifest, layout, digests, new ChunkSet());
  await commitTransfer(context, session, { request: () => request, mend: async () => false });
  return { bytesTotal, digest: request.digest };
}
