/** The entries of one commit that could not be published, for its record and its answers. */
import type { ErrorCode } from '../../../base/errors.ts';
import { ChunkSet } from '../../../checkpoint/chunk-set.ts';
import type { CommitReply } from '../../../wire/messages.ts';

/** The most runs that a record keeps; beyond, only their number, since the client decides how many there are. */
const MAX_RUNS = 4096;

/** The members of an answer about the entries that were left out. */
export type LeftOut = Pick<CommitReply, 'unpublished' | 'unlisted' | 'unkept'>;

/** Collects entries that are refused. */
export class UnpublishedEntries {
  readonly #byCode = new Map<ErrorCode, ChunkSet>();

  /** Adds one that was refused with a code. */
  add(entryIndex: number, code: ErrorCode): void {
    const entries = this.#byCode.get(code) ?? new ChunkSet();
    entries.add(entryIndex);
    this.#byCode.set(code, entries);
  }

  /** The members to keep and to answer; none where no entry was refused. */
  leftOut(): LeftOut {
    if (this.#byCode.size === 0) return {};
    const unpublished: { code: string; entries: number[] }[] = [];
    let runsLeft = MAX_RUNS;
    let unlisted = 0;
    for (const [code, entries] of this.#byCode) {
      const runs = entries.runs();
      const listed = runs.slice(0, 2 * runsLeft);
      runsLeft -= listed.length / 2;
      for (let at = listed.length + 1; at < runs.length; at += 2) unlisted += runs[at]!;
      if (listed.length > 0) unpublished.push({ code, entries: listed });
    }
    return unlisted > 0 ? { unpublished, unlisted } : { unpublished };
  }
}
