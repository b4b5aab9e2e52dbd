/** What is on a disk after its power came back, compared with what was claimed before. */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { loadHasher, sameDigest } from '../../../../src/manifest/digest.ts';
import { stagedCheckpoints, wrongChunks, type StagedCheckpoint } from '../../support/checkpoints.ts';
import { checkSameTree, contentOf } from '../../support/invariants.ts';
import { Violation } from '../../support/violation.ts';

/** A receiver's side of one transfer. */
export interface Receiver {
  /** Below it lies `.cairn/staging`. */
  readonly root: string;
  /** Where the tree lands. */
  readonly target: string;
  /** The tree that is being sent. */
  readonly source: string;
}

/** What {@link checkSurvivors} found. */
export interface Survivors {
  /** Chunks that the receiver's checkpoint has now. */
  readonly durable: ReadonlySet<number>;
  readonly durableBytes: number;
  /** Bytes of the chunks that had been acknowledged. */
  readonly acknowledgedBytes: number;
}

/**
 * Every chunk that was acknowledged, or that the journal claims, is there with the bytes of the source: staged, or
 * published already. Where no staging is left, the tree is.
 */
export async function checkSurvivors(
  receiver: Receiver,
  acknowledged: ReadonlySet<number>,
): Promise<Survivors> {
  const [checkpoint] = await stagedCheckpoints(receiver.root);
  if (checkpoint === undefined) {
    if (acknowledged.size > 0) checkAllPublished(receiver, acknowledged.size);
    return { durable: new Set(), durableBytes: 0, acknowledgedBytes: 0 };
  }
  const claimed = new Set(checkpoint.state.digests.chunks.copy().values());
  const wrong = new Set(await wrongChunks(checkpoint));
  const lost: number[] = [];
  for (const chunk of new Set([...claimed, ...acknowledged])) {
    const isStaged =
      claimed.has(chunk) && !wrong.has(chunk) && (await isOfSource(receiver, checkpoint, chunk));
    if (!isStaged && !isPublished(receiver, checkpoint, chunk)) lost.push(chunk);
  }
  const { layout } = checkpoint.transfer;
  const bytesOf = (chunks: Iterable<number>): number =>
    [...chunks].reduce((sum, chunk) => sum + layout.chunkLengthBytes(chunk), 0);
  if (lost.length > 0) {
    const shown = lost
      .slice(0, 20)
      .map((chunk) => `${chunk}${acknowledged.has(chunk) ? ' (acknowledged)' : ''}`)
      .join(', ');
    throw new Violation('lost', `chunks ${shown} in "${checkpoint.folder}"`, bytesOf(lost));
  }
  return {
    durable: claimed,
    durableBytes: bytesOf(claimed),
    acknowledgedBytes: bytesOf(acknowledged),
  };
}

function checkAllPublished({ source, target }: Receiver, acknowledgedChunks: number): void {
  try {
    checkSameTree(source, target);
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new Violation(
      'lost',
      `no staging holds the ${acknowledgedChunks} acknowledged chunks, and not all is published: ${cause}`,
    );
  }
}

/** Whether the recorded digest is that of the source's bytes; that the staged bytes have it was checked before. */
async function isOfSource(
  { source }: Receiver,
  { transfer, state }: StagedCheckpoint,
  chunk: number,
): Promise<boolean> {
  const hasher = (await loadHasher(transfer.manifest.digest))();
  for (const { entryIndex, entryOffset, lengthBytes } of transfer.layout.segmentsOf(chunk)) {
    const file = path.join(source, transfer.manifest.entries.pathOf(entryIndex));
    hasher.update(readRange(file, entryOffset, lengthBytes));
  }
  return sameDigest(hasher.digest(), state.digests.get(chunk)!);
}

/** Publishing moves the staged bytes of large files away: they are found at their final paths. */
function isPublished({ source, target }: Receiver, { transfer }: StagedCheckpoint, chunk: number): boolean {
  return transfer.layout.carriesOnly(chunk, (entryIndex) => {
    const name = transfer.manifest.entries.pathOf(entryIndex);
    const found = contentOf(path.join(target, name));
    return found !== undefined && found.equals(contentOf(path.join(source, name))!);
  });
}

function readRange(file: string, offset: number, lengthBytes: number): Buffer {
  const bytes = Buffer.alloc(lengthBytes);
  if (!existsSync(file)) return bytes;
  const fd = openSync(file, 'r');
  try {
    let done = 0;
    while (done < lengthBytes) {
      const read = readSync(fd, bytes, done, lengthBytes - done, offset + done);
      if (read === 0) break;
      done += read;
    }
    return bytes;
  } finally {
    closeSync(fd);
  }
}

/** What had been acknowledged must not be sent again once its session was resumed. */
export function checkNotSentAgain(
  requests: readonly { chunk: number; epoch: number }[],
  durable: ReadonlySet<number>,
  epochBefore: number,
): void {
  const again = requests.filter(({ chunk, epoch }) => epoch > epochBefore && durable.has(chunk));
  if (again.length === 0) return;
  const chunks = [...new Set(again.map(({ chunk }) => chunk))];
  throw new Violation(
    'lost',
    `durable chunks were sent again: ${chunks.slice(0, 20).join(', ')}`,
    chunks.length,
  );
}
