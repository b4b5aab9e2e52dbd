/** All records of this machine's unfinished transfers, looked at without locking any. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CairnError, storageError, systemCodeOf } from '../../base/errors.ts';
import { parseIdentity, systemInspector } from '../../base/process-identity.ts';
import { readIfThere } from '../../base/read-if-there.ts';
import { transfersDirectory, TRANSFER_FILES } from './transfer-folder.ts';
import { parseRecord, type TransferRecord } from './transfer-record.ts';

const KEY = /^[0-9a-f]{32}$/;
const LOCK_NAME = /^lock\.[1-9]\d*$/;

/** The keys of all transfers that have a folder. @throws CairnError storage codes */
export async function transferKeys(stateHome: string): Promise<string[]> {
  try {
    return (await readdir(transfersDirectory(stateHome))).filter((name) => KEY.test(name));
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, 'listing the unfinished transfers');
  }
}

/**
 * The record in a transfer's folder; undefined where there is none, or a damaged one.
 *
 * @throws CairnError `journal-version`, `owner-untrusted`, storage codes
 */
export async function recordIn(directory: string): Promise<TransferRecord | undefined> {
  const text = await readIfThere(join(directory, TRANSFER_FILES.record));
  return text === undefined ? undefined : parseRecord(text.toString());
}

/** An unfinished transfer that is not the caller's own. */
export interface OtherRecord {
  readonly key: string;
  readonly record: TransferRecord;
}

/** The records of all transfers but that with the key `own`, the one touched last first. @throws CairnError storage codes */
export async function recordsBeside(stateHome: string, own: string): Promise<OtherRecord[]> {
  const others: OtherRecord[] = [];
  for (const key of await transferKeys(stateHome)) {
    if (key === own) continue;
    const record = await readableRecord(join(transfersDirectory(stateHome), key));
    if (record !== undefined) others.push({ key, record });
  }
  return others.toSorted((a, b) => b.record.updatedAt.localeCompare(a.record.updatedAt));
}

/** The command that goes on with another transfer tells the fault of its record. */
async function readableRecord(directory: string): Promise<TransferRecord | undefined> {
  try {
    return await recordIn(directory);
  } catch (error) {
    if (error instanceof CairnError) return undefined;
    throw error;
  }
}

/** Whether a living process works on the transfer in a folder. @throws CairnError storage codes */
export async function isLocked(directory: string): Promise<boolean> {
  // A transfer may end while it is being looked at, and takes its directory with it.
  const names = await readdir(directory).catch((error: unknown) => {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw storageError(error, `looking at "${directory}"`);
  });
  for (const name of names) {
    if (!LOCK_NAME.test(name)) continue;
    const identity = parseIdentity((await readIfThere(join(directory, name)))?.toString() ?? '');
    if (identity !== undefined && systemInspector.isAlive(identity)) return true;
  }
  return false;
}
