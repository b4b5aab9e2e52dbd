/** Opens the staged chunks of a transfer, and withdraws chunks that the journal records and the files lack. */
import { unlinkSync } from 'node:fs';
import type { Directory } from '../../base/directory.ts';
import { storageError } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import { type CheckpointLog, openCheckpointLog } from '../../checkpoint/checkpoint-log.ts';
import { DIGEST_LENGTH_BYTES, loadHasher } from '../../manifest/digest.ts';
import type { IncomingTransfer } from '../content-store.ts';
import type { IncidentSink, Upkeep } from '../incident.ts';
import { chunkAgrees } from '../../transfer/chunk-agrees.ts';
import { LocalChunkStaging, type StagingPlace } from './chunk-staging.ts';
import { dissolveLeftovers } from './staging/dissolve-trees.ts';
import { examineJournal, type ExaminedFolder, listFolder, removeStrays } from './staging/examine-staging.ts';
import { type ClaimedPlace, findMissing } from './staging/missing-bytes.ts';
import { isDuplicateName, JOURNAL_NAME } from './staging/staged-names.ts';

/** Options of {@link openLocalChunks}. */
export interface OpenChunksOptions {
  readonly upkeep: Upkeep;
  readonly onIncident: IncidentSink;
}

/**
 * Opens the chunks in the staging folder of `place`. It withdraws recorded chunks whose bytes are missing; where the
 * journal was damaged, it first hashes the rest of them again.
 *
 * @throws CairnError `journal-corrupt` when the journal is of another manifest, `journal-version`, storage codes
 */
export async function openLocalChunks(
  place: Omit<StagingPlace, 'log'>,
  transfer: IncomingTransfer,
  { upkeep, onIncident }: OpenChunksOptions,
): Promise<LocalChunkStaging> {
  const examined: ExaminedFolder = {
    folder: place.folder,
    upkeep,
    tell: (kind, problem, remedy) => onIncident({ kind, session: place.id, problem, remedy }),
  };
  const log = await openLog(examined, transfer);
  try {
    if (upkeep !== 'report') await dissolveLeftovers(place.folder, transfer, listFolder(place.folder));
    const staging = new LocalChunkStaging({ ...place, log }, transfer);
    await withdrawShort(examined, place, transfer, staging);
    if (log.corruptAt !== undefined) await withdrawWrong(examined, log.corruptAt, transfer, staging);
    // After the version check: a journal of a newer cairn may name files that this version does not know.
    if (upkeep === 'usual') removeDuplicates(place.folder);
    else removeStrays(examined, transfer);
    return staging;
  } catch (error) {
    await log.close();
    throw error;
  }
}

async function openLog(examined: ExaminedFolder, { manifest }: IncomingTransfer): Promise<CheckpointLog> {
  const { id: manifestId, digest } = manifest;
  const binding = { manifestId, digestLengthBytes: DIGEST_LENGTH_BYTES[digest] };
  const { folder, upkeep } = examined;
  const seen = upkeep === 'usual' ? undefined : await examineJournal(examined, binding);
  return upkeep === 'report' && seen !== undefined
    ? seen
    : openCheckpointLog(folder.at(JOURNAL_NAME), binding, folder.show(JOURNAL_NAME));
}

/** Removes chunks that another run was receiving a second time: they are of no use. */
function removeDuplicates(folder: Directory): void {
  try {
    for (const name of listFolder(folder)) if (isDuplicateName(name)) unlinkSync(folder.at(name));
  } catch (error) {
    throw storageError(error, `tidying "${printable(folder.displayPath)}"`);
  }
}

/** Withdraws recorded bytes behind the end of their file: one look at each file, whatever its size. */
async function withdrawShort(
  { tell }: ExaminedFolder,
  place: ClaimedPlace,
  transfer: IncomingTransfer,
  staging: LocalChunkStaging,
): Promise<void> {
  const missing = findMissing(place, transfer, {
    claimed: staging.digests.chunks,
    orPublished: true,
  });
  if (missing.size === 0) return;
  await staging.forget([...missing.values()]);
  const problem = `its journal claims ${missing.size} chunks whose staged bytes are incomplete`;
  tell('chunks-short', problem, 'withdrawn; they are sent again');
}

/** Withdraws recorded chunks whose bytes have another digest. */
async function withdrawWrong(
  { tell }: ExaminedFolder,
  corruptAt: number,
  transfer: IncomingTransfer,
  staging: LocalChunkStaging,
): Promise<void> {
  const createHasher = await loadHasher(transfer.manifest.digest);
  const { digests } = staging;
  const { chunks } = digests;
  const wrong: number[] = [];
  for (const chunk of chunks.copy().values()) {
    const digest = digests.get(chunk);
    if (digest === undefined || !(await chunkAgrees(staging.read(chunk), digest, createHasher))) {
      wrong.push(chunk);
    }
  }
  await staging.forget(wrong);
  const problem = `its journal was damaged at byte ${corruptAt}`;
  const hashed = `${chunks.size} chunks were hashed again and are right, ${wrong.length} are not`;
  tell('journal-damaged', problem, `cut off there; ${hashed}; the missing chunks are sent again`);
}
