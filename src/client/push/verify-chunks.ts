/** Chunks that the server has and nothing here proves: the local bytes are hashed, and only what differs is sent. */
import { sameDigest } from '../../manifest/digest.ts';
import { sendChunk } from '../../transfer/chunk-transfer.ts';
import { keepExclusions, noteDurable, type PushJob } from './push-job.ts';
import { isToReadAgain } from './source-reader.ts';

/**
 * Whether the local bytes of a chunk are those that the server has; then it is durable. Anything else is to be sent: the
 * server, which compares, takes it in place of the bytes that it has.
 */
export async function isVerified(job: PushJob, chunk: number, signal: AbortSignal): Promise<boolean> {
  const { board, layout, progress, reader } = job;
  const { touches } = reader;
  const digest = await hashChunk(job, chunk, signal);
  if (wasTouched(job, chunk, touches)) return isVerified(job, chunk, signal);
  const { there } = job.unverified;
  // Where nothing can be compared now, the digest of the whole will tell.
  const theirs = there === undefined ? digest : there.get(chunk);
  if (digest === undefined || theirs === undefined || !sameDigest(digest, theirs)) {
    const lengthBytes = layout.chunkLengthBytes(chunk);
    if (board.isDoubted(chunk)) progress.lost(chunk, lengthBytes);
    else progress.notResumed(chunk, lengthBytes);
    return false;
  }
  if (board.confirm(chunk)) return true;
  board.trust(chunk, digest);
  noteDurable(job, [[chunk, digest]]);
  return true;
}

/** An entry has another device, inode or ctime than before: what was read of it is read again, and sent if it differs. */
export function doubtEntry(job: PushJob, entryIndex: number): void {
  const { first, count } = job.layout.chunksOf(entryIndex);
  for (let chunk = first; chunk < first + count; chunk += 1) doubtChunk(job, chunk);
}

/** Has a chunk that is at the server verified. */
function doubtChunk({ board, unverified }: PushJob, chunk: number): void {
  if (!board.doubt(chunk)) return;
  unverified.chunks.push(chunk);
  unverified.there?.set(chunk, board.digests.get(chunk)!);
}

/** Has a chunk verified that may have been read before an entry of it was touched, after there were so many touches. */
export function doubtIfTouched(job: PushJob, chunk: number, touches: number): void {
  if (wasTouched(job, chunk, touches)) doubtChunk(job, chunk);
}

function wasTouched({ reader, layout }: PushJob, chunk: number, touches: number): boolean {
  if (reader.touches === touches) return false;
  for (const { entryIndex } of layout.segmentsOf(chunk))
    if (reader.wasTouchedAfter(entryIndex, touches)) return true;
  return false;
}

/** The digest of the local bytes of a chunk; undefined where they are not what was scanned. */
async function hashChunk(job: PushJob, chunk: number, signal: AbortSignal): Promise<Uint8Array | undefined> {
  let digest: Uint8Array | undefined;
  const { createHasher, reader, layout } = job;
  const onDigest = (value: Uint8Array): void => void (digest = value);
  const nothing = sendChunk(layout.segmentsOf(chunk), reader.read, {
    createHasher,
    offset: Infinity,
    readNow: reader.readNow,
    onDigest,
  });
  try {
    for await (const _ of nothing) signal.throwIfAborted();
  } catch (error) {
    if (!isToReadAgain(error)) throw error;
    await keepExclusions(job);
    return undefined;
  }
  return digest;
}
