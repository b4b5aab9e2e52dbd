/** A closer look at a staging folder, for the check of a store: the state of its journal, and stray files. */
import { lstatSync, readdirSync, unlinkSync } from 'node:fs';
import type { Directory } from '../../../base/directory.ts';
import { CairnError, storageError } from '../../../base/errors.ts';
import { printable } from '../../../base/safe-path.ts';
import { type CheckpointLog, readCheckpointLog } from '../../../checkpoint/checkpoint-log.ts';
import type { CheckpointBinding } from '../../../checkpoint/checkpoint-records.ts';
import { ChunkDigests } from '../../../checkpoint/chunk-digests.ts';
import type { IncomingTransfer } from '../../content-store.ts';
import type { IncidentKind, Upkeep } from '../../incident.ts';
import { isOfUse, JOURNAL_NAME } from './staged-names.ts';

/** Reports a finding in one folder. */
export type Tell = (kind: IncidentKind, problem: string, remedy: string) => void;

/** The open folder to examine, and how much to repair. */
export interface ExaminedFolder {
  readonly folder: Directory;
  readonly upkeep: Upkeep;
  readonly tell: Tell;
}

/**
 * Examines the journal before it is opened and repaired. Answers it as it would be then, for reading only; removes a
 * journal that cannot belong to this transfer, where `upkeep` allows it.
 *
 * @throws CairnError `journal-version`, storage codes
 */
export async function examineJournal(
  { folder, upkeep, tell }: ExaminedFolder,
  binding: CheckpointBinding,
): Promise<CheckpointLog> {
  const file = folder.at(JOURNAL_NAME);
  try {
    const { log, sizeBytes, tornBytes } = await readCheckpointLog(file, binding, folder.show(JOURNAL_NAME));
    if (tornBytes > 0) {
      tell('journal-torn', `its journal ends in a write that was cut (${tornBytes} bytes)`, 'cut off');
    }
    if (sizeBytes === 0 && listFolder(folder).some((name) => /^[ec]\d+$/.test(name))) {
      tell('journal-missing', 'its journal is gone', 'begun anew; the staged chunks are sent again');
    }
    return log;
  } catch (error) {
    if (!(error instanceof CairnError) || error.code !== 'journal-corrupt') throw error;
    const remedy = 'removed; the staged chunks are sent again';
    tell('journal-foreign', 'its journal belongs to another transfer, or is not a journal', remedy);
    if (upkeep !== 'report') remove(folder, JOURNAL_NAME);
    return emptyLog(binding);
  }
}

function emptyLog({ digestLengthBytes }: CheckpointBinding): CheckpointLog {
  return {
    digests: new ChunkDigests(digestLengthBytes),
    partialChunks: new Map(),
    epoch: 0,
    note: {},
    corruptAt: undefined,
    append: async () => undefined,
    close: async () => undefined,
  };
}

/** Removes files that no code will read: those of no chunk and no entry, and leftovers of interrupted writes. */
export function removeStrays({ folder, upkeep, tell }: ExaminedFolder, transfer: IncomingTransfer): void {
  for (const name of listFolder(folder)) {
    if (isOfUse(name, transfer) || !isFile(folder.at(name))) continue;
    tell('stray-file', `the staged file "${printable(name)}" belongs to no chunk`, 'removed');
    if (upkeep !== 'report') remove(folder, name);
  }
}

/** The names in a staging folder. @throws CairnError with a storage code */
export function listFolder(folder: Directory): string[] {
  try {
    return readdirSync(folder.here());
  } catch (error) {
    throw storageError(error, `listing "${printable(folder.displayPath)}"`);
  }
}

/** cairn makes no folders here; a folder is removed with the whole area. */
function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() === false;
}

function remove(folder: Directory, name: string): void {
  try {
    unlinkSync(folder.at(name));
  } catch (error) {
    throw storageError(error, `removing "${printable(folder.show(name))}"`);
  }
}
