/** Opens the staged chunks of a transfer, and checks them where their journal was damaged. */
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type CheckpointLog, openCheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { storageError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { DIGEST_LENGTH_BYTES, type HasherFactory, loadHasher, sameDigest } from '../../manifest/digest.ts';
import type { IncomingTransfer } from '../content-store.ts';
import { LocalChunkStaging, type StagingPlace } from './chunk-staging.ts';
import { readStaged } from './read-staged.ts';
import { chunkPlace, isDuplicateName, JOURNAL_NAME } from './staged-names.ts';

/**
 * Opens the chunks in the staging folder of `place`. Where the journal was damaged, the chunks that it still knows are
 * hashed again, those that do not agree are forgotten, and `onIncident` is told.
 *
 * @throws CairnError `journal-corrupt` when the journal is of another manifest, `journal-version`, storage codes
 */
export async function openLocalChunks(
  place: Omit<StagingPlace, 'log'>,
  transfer: IncomingTransfer,
  onIncident: (message: string) => void,
): Promise<LocalChunkStaging> {
  const { id: manifestId, digest } = transfer.manifest;
  removeDuplicates(place.path);
  const binding = { manifestId, digestLengthBytes: DIGEST_LENGTH_BYTES[digest] };
  const log = await openCheckpointLog(join(place.path, JOURNAL_NAME), binding);
  try {
    if (log.corruptAt !== undefined) {
      const lost = await forgetWrong(place.path, log, transfer);
      const name = printable(join(place.path, JOURNAL_NAME));
      onIncident(
        `the journal "${name}" was damaged at byte ${log.corruptAt}: ${log.digests.chunks.size} chunks were hashed again ` +
          `and are right, ${lost} are not; what is missing is sent again`,
      );
    }
  } catch (error) {
    await log.close();
    throw error;
  }
  return new LocalChunkStaging({ ...place, log }, transfer);
}

/** What another run was receiving a second time is of no use. */
function removeDuplicates(path: string): void {
  try {
    for (const name of readdirSync(path)) if (isDuplicateName(name)) unlinkSync(join(path, name));
  } catch (error) {
    throw storageError(error, `tidying "${printable(path)}"`);
  }
}

/** Forgets the chunks whose bytes are not those of their digests; answers how many they were. */
async function forgetWrong(path: string, log: CheckpointLog, transfer: IncomingTransfer): Promise<number> {
  const createHasher = await loadHasher(transfer.manifest.digest);
  const forget: number[] = [];
  for (const chunk of log.digests.chunks.copy().values()) {
    const isRight = await agrees(path, chunk, log, transfer, createHasher);
    if (!isRight) forget.push(chunk);
  }
  if (forget.length > 0) await log.append({ forget });
  return forget.length;
}

async function agrees(
  path: string,
  chunk: number,
  log: CheckpointLog,
  transfer: IncomingTransfer,
  createHasher: HasherFactory,
): Promise<boolean> {
  const digest = log.digests.get(chunk);
  // A chunk of a journal that lies may be one that the layout does not have.
  if (digest === undefined || chunk >= transfer.layout.chunkCount) return false;
  const hasher = createHasher();
  try {
    const place = { ...chunkPlace(transfer, chunk), mayBeShorter: true };
    for await (const piece of readStaged(path, chunk, place)) hasher.update(piece);
  } catch {
    // Bytes that cannot be read are not there; they are sent again, and that will say what is wrong with the disk.
    return false;
  }
  return sameDigest(hasher.digest(), digest);
}
