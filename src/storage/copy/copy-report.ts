/** What a copy tells while it runs. */
import type { CairnError } from '../../base/errors.ts';

/** Called as things happen. */
export interface CopyReport {
  /** An entry that the copy does not have, or without some of its metadata. The path is not printable yet. */
  leftOut(path: string, error: CairnError): void;
  /** Entries that were looked at. */
  entries(count: number): void;
  /** Bytes of files, or of objects, that were copied and read back. */
  copied(bytes: number): void;
  /** The same that the target had already. */
  wasThere(bytes: number): void;
}
