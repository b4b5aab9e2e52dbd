/** An unfinished transfer as its folder shows it, which is only looked at. */
import { join } from 'node:path';
import { readIfThere } from '../../base/read-if-there.ts';
import { ChunkDigests } from '../../checkpoint/chunk-digests.ts';
import { applyRecord, decodeBinding, type CheckpointState } from '../../checkpoint/checkpoint-records.ts';
import { readJournal } from '../../checkpoint/journal-format.ts';
import { WORKED_AT } from './journal-writer.ts';
import { isLocked, recordIn } from './records.ts';
import { transfersDirectory, TRANSFER_FILES } from './transfer-folder.ts';
import type { TransferRecord } from './transfer-record.ts';
import { workedUntil } from './worked-time.ts';

/** An unfinished transfer, for people and scripts. */
export interface TransferInfo {
  /** Id of the transfer on this machine, 32 hex digits. */
  readonly id: string;
  readonly direction: 'push' | 'pull';
  readonly url: string;
  /** Absolute local paths: the sources of a push, the destination of a pull. */
  readonly localPaths: readonly string[];
  /** ISO 8601. */
  readonly createdAt: string;
  /** When its record or its journal was last written, as far as is known. */
  readonly updatedAt: string;
  /** Until when the server keeps what it has, at least: what this machine knows of the lease; ISO 8601. */
  readonly keptUntil: string;
  readonly bytesTotal: number;
  /** Bytes of entries that were there already when it began; no part of `bytesTotal`. */
  readonly bytesSkipped: number;
  /** Bytes that are durable at the receiver, as far as is known here. */
  readonly bytesDone: number;
  /** How long runs have worked on it; null for one that an older cairn began. */
  readonly durationMs: number | null;
  /** Entries that could not be read, or not whole, so far. */
  readonly excluded: number;
  /** Entries that the selection leaves out; null for one that an older cairn began. */
  readonly unselected: number | null;
  /** `agreed`: only publishing is left. */
  readonly state: 'transferring' | 'agreed';
  readonly resumeCommand: readonly string[];
  /** Whether a living process works on it. */
  readonly locked: boolean;
}

/** The last moment that ISO 8601 can write with four digits. */
const MAX_DATE_MS = Date.UTC(9999, 11, 31);

/**
 * One unfinished transfer; undefined where there is no record, or a damaged one.
 *
 * @throws CairnError `journal-version` for a record of a newer cairn, storage codes
 */
export async function infoOf(stateHome: string, id: string): Promise<TransferInfo | undefined> {
  const directory = join(transfersDirectory(stateHome), id);
  const record = await recordIn(directory);
  if (record === undefined) return undefined;
  const { direction, url, createdAt, bytesTotal, bytesSkipped, resumeCommand, phase, leftOut } = record;
  const { bytesDone, excluded, workedAtMs } =
    direction === 'push' ? await journaled(directory) : ofPull(record);
  const endMs = Math.max(Date.parse(record.updatedAt), workedAtMs);
  const updatedAt = isoOf(endMs);
  return {
    id,
    direction,
    url,
    localPaths: record.local,
    createdAt,
    updatedAt,
    keptUntil: keptUntil({ ...record, updatedAt }),
    bytesTotal,
    bytesSkipped,
    bytesDone: Math.min(phase === 'agreed' ? bytesTotal : bytesDone, bytesTotal),
    durationMs: workedUntil(record, endMs) ?? null,
    excluded: excluded + (leftOut?.unlisted ?? 0),
    unselected: leftOut?.unselected ?? null,
    state: phase,
    resumeCommand,
    locked: await isLocked(directory),
  };
}

/** The lease begins anew with each request; the greatest age of a session was counted when the terms came. */
function keptUntil({ updatedAt, grantedAt = updatedAt, session }: TransferRecord): string {
  const { leaseMs, endsInMs = Infinity } = session;
  return isoOf(Math.min(Date.parse(updatedAt) + leaseMs, Date.parse(grantedAt) + endsInMs));
}

/** The server may have said anything of times, and a date has an end. */
function isoOf(ms: number): string {
  return new Date(Math.min(ms, MAX_DATE_MS)).toISOString();
}

/** How far a transfer has come. */
interface Progress {
  readonly bytesDone: number;
  /** Entries that could not be read. */
  readonly excluded: number;
  /** Milliseconds since 1970; 0 where it is not known. */
  readonly workedAtMs: number;
}

function ofPull({ bytesDone, excluded = 0 }: TransferRecord): Progress {
  return { bytesDone, excluded, workedAtMs: 0 };
}

/** What the journal of a push says. It is only read: the holder of the lock repairs it. */
async function journaled(directory: string): Promise<Progress> {
  const bytes = await readIfThere(join(directory, TRANSFER_FILES.journal));
  const [first, ...records] = bytes === undefined ? [] : readJournal(bytes).records;
  if (first === undefined) return { bytesDone: 0, excluded: 0, workedAtMs: 0 };
  const { digestLengthBytes } = decodeBinding(first);
  const digests = new ChunkDigests(digestLengthBytes);
  const state: CheckpointState = { digests, partialChunks: new Map(), epoch: 0, note: {} };
  for (const record of records) applyRecord(state, record);
  const { bytesDone, excluded, [WORKED_AT]: workedAt } = state.note;
  return {
    bytesDone: numberOf(bytesDone),
    excluded: Array.isArray(excluded) ? lengthOfRuns(excluded) : 0,
    workedAtMs: numberOf(workedAt),
  };
}

function numberOf(noted: unknown): number {
  return typeof noted === 'number' ? noted : 0;
}

/** Of runs as pairs of a first number and a length. */
function lengthOfRuns(runs: readonly unknown[]): number {
  return runs.reduce((sum: number, each, index) => (index % 2 === 0 ? sum : sum + numberOf(each)), 0);
}
