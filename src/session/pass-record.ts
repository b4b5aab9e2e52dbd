/**
 * What a session's record keeps of one pass: one manifest that goes one way, up to its commit. Whose conversation it is,
 * and how far that is, stands in the record around it.
 */
import type { DigestAlgorithm } from '../manifest/digest.ts';
import type { MetadataKind, Uncarried } from '../manifest/metadata.ts';
import { DEFAULT_SYNC_MODE, type SyncMode } from './sync-mode.ts';

/** The durable record of one pass. */
export interface PassRecord {
  readonly direction: 'push' | 'pull';
  readonly manifestId: string | null;
  readonly digest: DigestAlgorithm;
  readonly chunkSizeBytes: number;
  /** When the server makes sync points of a push. Missing in a pull, and in old records, where it means `group`. */
  readonly sync?: SyncMode | undefined;
  /** Of a push: whether entries keep their modes against the umask. */
  readonly preserveModes?: boolean | undefined;
  /** Of a push: whether the target existed when the session was established; it keeps its mode then. */
  readonly keepsTarget?: boolean | undefined;
  /** The kinds of metadata that the manifest carries; missing for none. */
  readonly metadata?: readonly MetadataKind[] | undefined;
  /** Of a pull that carries metadata: how many entries of its source have something that is not carried; missing for none. */
  readonly uncarried?: Readonly<Partial<Record<Uncarried, number>>> | undefined;
  /** The last sync point before the server removed the session from memory; numbers go on in the same epoch. */
  readonly durableSyncPoint?: number | undefined;
  /** Payload bytes of the agreed plan, and how many of them a sync point covered at the last write of the record. */
  readonly bytesTotal?: number | undefined;
  readonly bytesDone?: number | undefined;
  /** Of a push with a manifest: its bytes, its entries, and the bytes of the carried link targets. */
  readonly manifestBytes?: number | undefined;
  readonly entries?: number | undefined;
  readonly linkBytes?: number | undefined;
  /** Of a push that deletes: the list of it, whose bytes and entries `manifestBytes` and `entries` include. */
  readonly deletions?: { readonly id: string; readonly entries: number; readonly bytes: number } | undefined;
  readonly commit: CommitRecord | null;
}

/** The client's claim of a commit: kept so that a restart finishes an interrupted one. */
export interface CommitRecord {
  readonly digest: string;
  readonly bytesTotal: number;
  readonly excluded: readonly number[];
  /** Number of entries, for the answer to a repeated commit when the manifest is gone. */
  readonly entriesTotal: number;
  /** Whether the commit leaves out entries that it cannot publish, and whether it replaces non-empty directories. */
  readonly leaveOut?: boolean | undefined;
  readonly forceReplace?: boolean | undefined;
  /** Of a committed push: the entries left out, in runs by error code, and how many more the list has no room for. */
  readonly unpublished?:
    readonly { readonly code: string; readonly entries: readonly number[] }[] | undefined;
  readonly unlisted?: number | undefined;
  /** Of a committed push: the metadata that entries did not get. */
  readonly unkept?: readonly UnkeptRecord[] | undefined;
  /** Id of the list of entries to delete once everything is published. */
  readonly deletions?: string | undefined;
  /** Safe relative path of the directory that gets what is replaced or deleted. */
  readonly backup?: string | undefined;
  /** Of a committed push: the result for that list. */
  readonly deleted?: DeletedEntries | undefined;
}

/** A kind of metadata that some entries did not get: how many, the index of the first, and why that one. */
export interface UnkeptRecord {
  readonly kind: string;
  readonly entries: number;
  readonly first: number;
  readonly code: string;
}

/** The result for a list of entries to delete. */
export interface DeletedEntries {
  /** Entries that are no longer there, and the bytes of the files among them. */
  readonly entries: number;
  readonly bytes: number;
  /** Whether nothing was deleted, because something could not be published. */
  readonly isSkipped?: boolean | undefined;
  /** Some of the entries that stayed, each with the code of the reason, and how many more stayed. */
  readonly kept: readonly { readonly code: string; readonly path: string }[];
  readonly unlisted: number;
}

/** Whether a pass brings bytes to the server: then they count for quotas and for room, and a tree is published. */
export function bringsBytes({ direction }: Pick<PassRecord, 'direction'>): boolean {
  return direction === 'push';
}

/** When the server makes sync points of what a pass brings; undefined where it brings nothing. */
export function syncOf(pass: Pick<PassRecord, 'direction' | 'sync'>): SyncMode | undefined {
  return bringsBytes(pass) ? (pass.sync ?? DEFAULT_SYNC_MODE) : undefined;
}
