/** What a transfer tells of itself while it runs, as data that can be drawn. */
import type { ErrorCode } from '../../base/errors.ts';
import type { EntryType } from '../../manifest/entry.ts';
import type { Unselected } from '../../manifest/selection.ts';

/** What a transfer is busy with. */
export type Phase = 'scanning' | 'comparing' | 'transferring' | 'committing';

/**
 * What would be done with an entry: it is new; its content differs; only its time does, while the size is the same; only
 * its mode or time would be set; it would be sent, and the access token may not know whether it is there; or it would be
 * deleted at the destination.
 */
export type Change = 'new' | 'changed' | 'same-size' | 'attributes' | 'unknown' | 'delete';

/** Something that happened in a transfer. Byte counts are payload bytes. */
export type TransferEvent =
  | { readonly type: 'phase'; readonly phase: Phase; readonly entries?: number }
  /** The size of the job is known; null for a stream. `bytesResumed` is part of `bytesTotal`, `bytesSkipped` is not. */
  | {
      readonly type: 'planned';
      readonly entries: number;
      /** Entries that carry bytes which are to cross the wire; part of `entries`. */
      readonly carried: number;
      readonly bytesTotal: number | null;
      readonly bytesSkipped: number;
      readonly bytesResumed: number;
    }
  /** Payload bytes crossed the wire. */
  | { readonly type: 'bytes'; readonly bytes: number }
  /** A chunk was given up and its bytes will cross again. */
  | { readonly type: 'lost'; readonly bytes: number }
  /** Progress of a file of at least one chunk. */
  | {
      readonly type: 'file';
      readonly path: string;
      readonly doneBytes: number;
      readonly sizeBytes: number;
      readonly resumedBytes: number;
    }
  /** So many entries that carry bytes have crossed the wire whole. */
  | { readonly type: 'moved'; readonly entries: number }
  /** One of them, where the caller asks for their names. */
  | { readonly type: 'entry'; readonly path: string; readonly sizeBytes: number }
  /** An entry of the destination that was deleted, where the caller asks for names. */
  | { readonly type: 'deleted'; readonly path: string; readonly kind: EntryType; readonly sizeBytes: number }
  /** Of a dry run: what would happen to an entry. */
  | {
      readonly type: 'would';
      readonly path: string;
      readonly kind: EntryType;
      readonly change: Change;
      readonly sizeBytes: number;
    }
  /** An entry that the selection leaves out with all that is below it, where the caller asks for names. */
  | {
      readonly type: 'unselected';
      readonly path: string;
      readonly kind: EntryType;
      readonly reason: Unselected;
    }
  /** Publishing is under way. */
  | { readonly type: 'publishing'; readonly entriesDone: number; readonly entriesTotal: number }
  /** The server is away or busy; the next try comes after `delayMs`, and the last one after `leftMs`. */
  | {
      readonly type: 'waiting';
      readonly code: ErrorCode;
      readonly message: string;
      readonly delayMs: number;
      readonly leftMs: number;
    }
  /** The conversation goes on in a new epoch. */
  | { readonly type: 'resumed'; readonly epoch: number; readonly bytesResumed: number }
  /** An entry was left out, or not deleted; the transfer goes on and will be partial. */
  | {
      readonly type: 'warning';
      readonly code: ErrorCode;
      readonly path: string;
      readonly message: string;
      readonly isOfDeletion?: boolean;
    }
  /** Something worth a line that takes nothing away from the result. */
  | { readonly type: 'notice'; readonly message: string };

/** Takes events; must not throw. */
export type Report = (event: TransferEvent) => void;

/** The result of a transfer: what `--json` prints as `summary`. */
export interface TransferSummary {
  readonly direction: 'push' | 'pull';
  /** Entries of the manifest, those that were left out not counted. */
  readonly entries: number;
  /** How many of them were not there as they are, whatever of them was; 0: all is up to date. */
  readonly changed: number;
  readonly bytesTotal: number;
  /** Payload bytes that crossed the wire in this run, those sent twice counted twice. */
  readonly bytesMoved: number;
  /** Payload bytes of this run that compression kept off the wire; they are counted as moved, too. */
  readonly bytesSaved: number;
  /** Bytes of entries that were already there. */
  readonly bytesSkipped: number;
  /** Bytes of changed files that the receiver took from their older versions: they did not cross the wire. */
  readonly bytesReused: number;
  /** Bytes that an earlier run or epoch had brought over. */
  readonly bytesResumed: number;
  readonly retries: number;
  readonly resumes: number;
  readonly durationMs: number;
  /** Digest of the whole, agreed by both sides; null where nothing had to be agreed (dry run). */
  readonly digest: string | null;
  /** Entries that were left out, each named by a warning before. */
  readonly excluded: number;
  /** Entries that the selection left out; a directory counts once, whatever is in it. */
  readonly unselected: number;
  /** How many times an entry lacks metadata that was asked for; missing where none was. */
  readonly unkept?: number;
  /** Of a run that deletes: what became of that. */
  readonly deleted?: DeletedSummary | undefined;
}

/** What a run has deleted at its destination, or would delete. */
export interface DeletedSummary {
  readonly entries: number;
  /** Bytes of the files among them. */
  readonly bytes: number;
  /** Entries of the destination that a mirror would not have, and that stay, as a warning says. */
  readonly undeleted: number;
  /** Why nothing was deleted; undefined where there was no such reason. */
  readonly code?: ErrorCode | undefined;
}
