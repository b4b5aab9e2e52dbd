/** Metadata that the receiver could not keep: counted by kind, since it may be missing from every entry of a tree. */
import { CairnError, type ErrorCode, storageError } from '../base/errors.ts';
import { ChunkSet } from '../checkpoint/chunk-set.ts';
import type { MetadataKind } from '../manifest/metadata.ts';

/** One kind that some entries did not get. */
export interface UnkeptKind {
  readonly kind: MetadataKind;
  /** How many entries. */
  readonly entries: number;
  /** The index of the first of them. */
  readonly first: number;
  /** Why that one did not get it. */
  readonly code: ErrorCode;
}

/** Collects what is not kept while entries get their metadata; an entry that is set twice counts once. */
export class UnkeptMetadata {
  readonly #kinds = new Map<MetadataKind, { readonly entries: ChunkSet; readonly code: ErrorCode }>();

  note(kind: MetadataKind, entryIndex: number, error: unknown): void {
    let unkept = this.#kinds.get(kind);
    if (unkept === undefined) {
      const { code } = error instanceof CairnError ? error : storageError(error, 'setting metadata');
      this.#kinds.set(kind, (unkept = { entries: new ChunkSet(), code }));
    }
    unkept.entries.add(entryIndex);
  }

  list(): UnkeptKind[] {
    return [...this.#kinds].map(([kind, { entries, code }]) => ({
      kind,
      entries: entries.size,
      first: entries.runs()[0]!,
      code,
    }));
  }
}
