/** `cairn transfers`: the unfinished transfers of this machine. */
import { join } from 'node:path';
import type { ReachOptions } from './api/reach.ts';
import { printable } from '../base/safe-path.ts';
import { CairnError } from '../base/errors.ts';
import { readIfThere } from '../base/read-if-there.ts';
import { discardLanded } from './pull/pull-resume.ts';
import { openSession } from './session/session-client.ts';
import { unlessGone } from './session/session-gone.ts';
import { abortSession } from './session/session-calls.ts';
import { inContext } from './transfer/transfer-context.ts';
import { openFolder, transfersDirectory, TRANSFER_FILES } from './state/transfer-folder.ts';
import { infoOf, type TransferInfo } from './state/transfer-info.ts';
import { isLocked, transferKeys } from './state/records.ts';
import type { TransferRecord } from './state/transfer-record.ts';

/** A transfer that a command has begun, and whose record cannot be read. */
export interface UnreadableTransfer {
  /** As {@link TransferInfo.id}. */
  readonly id: string;
  /** Why: `journal-version` for a record of a newer cairn, `journal-corrupt` for a damaged one. */
  readonly code: 'journal-version' | 'journal-corrupt';
  readonly message: string;
  readonly locked: boolean;
}

/** Whom to tell that a transfer is removed. */
export interface RemoveOptions {
  /** Also aborts the session at the server, reached with these options for the transfer's URL. */
  readonly abort?: Omit<ReachOptions, 'url'>;
}

/** All unfinished transfers, the one touched last first; one record that cannot be read hides no other. */
export async function surveyTransfers(
  stateHome: string,
): Promise<{ transfers: TransferInfo[]; unreadable: UnreadableTransfer[] }> {
  const transfers: TransferInfo[] = [];
  const unreadable: UnreadableTransfer[] = [];
  for (const id of await transferKeys(stateHome)) {
    const found = await readableOrNot(stateHome, id);
    if (found === undefined) continue;
    if ('code' in found) unreadable.push(found);
    else transfers.push(found);
  }
  return {
    transfers: transfers.toSorted((a, b) => b.updatedAt.localeCompare(a.updatedAt)),
    unreadable: unreadable.toSorted((a, b) => a.id.localeCompare(b.id)),
  };
}

/** {@link surveyTransfers} without those that cannot be read. */
export async function listTransfers(stateHome: string): Promise<TransferInfo[]> {
  return (await surveyTransfers(stateHome)).transfers;
}

/**
 * One unfinished transfer as {@link showTransfer} finds it, also where its record cannot be read.
 *
 * @throws CairnError `not-found`; `usage` where several ids begin so
 */
export async function findTransfer(
  stateHome: string,
  id: string,
): Promise<TransferInfo | UnreadableTransfer> {
  const key = await fullKey(stateHome, id);
  return (await readableOrNot(stateHome, key)) ?? (await damaged(stateHome, key));
}

/** Undefined where there is no record: nothing was begun yet, or it ends at this moment. */
async function readableOrNot(
  stateHome: string,
  id: string,
): Promise<TransferInfo | UnreadableTransfer | undefined> {
  const directory = join(transfersDirectory(stateHome), id);
  try {
    const info = await infoOf(stateHome, id);
    if (info !== undefined) return info;
    const hasRecord = (await readIfThere(join(directory, TRANSFER_FILES.record))) !== undefined;
    return hasRecord ? await damaged(stateHome, id) : undefined;
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    const { code, message } = error;
    if (code !== 'journal-version' && code !== 'journal-corrupt') throw error;
    return { id, code, message, locked: await isLocked(directory) };
  }
}

async function damaged(stateHome: string, id: string): Promise<UnreadableTransfer> {
  const locked = await isLocked(join(transfersDirectory(stateHome), id));
  return { id, code: 'journal-corrupt', message: 'the record of this transfer is damaged', locked };
}

/**
 * One unfinished transfer, by its id or a beginning of it that only one has.
 *
 * @throws CairnError `not-found`; `usage` where several ids begin so
 */
export async function showTransfer(stateHome: string, id: string): Promise<TransferInfo> {
  const info = await infoOf(stateHome, await fullKey(stateHome, id));
  if (info !== undefined) return info;
  throw new CairnError(
    'not-found',
    `the record of the transfer ${id} cannot be read; the command that began it starts over`,
  );
}

/**
 * Removes an unfinished transfer: its record, what a pull has staged, and, if wanted, its session at the server.
 *
 * @throws CairnError `not-found`, `usage`, `transfer-locked` while a process works on it, network codes
 */
export async function removeTransfer(
  stateHome: string,
  id: string,
  options: RemoveOptions = {},
): Promise<void> {
  const key = await fullKey(stateHome, id);
  const folder = await openFolder(stateHome, key, { ofAnyVersion: true });
  try {
    const { record } = folder;
    if (record !== undefined && options.abort !== undefined) await abortAtServer(record, options.abort);
    if (record !== undefined && record.landing !== null)
      await discardLanded(record.landing, folder.stagingId);
    await folder.clear();
  } finally {
    await folder.close();
  }
}

async function abortAtServer(record: TransferRecord, reach: Omit<ReachOptions, 'url'>): Promise<void> {
  await inContext({ ...reach, url: new URL(record.url), parallel: 1 }, (context) =>
    unlessGone(async () => (await openSession(context, record.session)).run(abortSession)),
  );
}

async function fullKey(stateHome: string, id: string): Promise<string> {
  const found = /^[0-9a-f]+$/.test(id)
    ? (await transferKeys(stateHome)).filter((key) => key.startsWith(id))
    : [];
  if (found.length === 1) return found[0]!;
  if (found.length === 0)
    throw new CairnError(
      'not-found',
      `there is no unfinished transfer "${printable(id)}"; "cairn transfers" lists all`,
    );
  const all = found.join(', ');
  throw new CairnError(
    'usage',
    `${found.length} transfers have ids that begin with "${id}": ${all}; give more of it`,
  );
}
