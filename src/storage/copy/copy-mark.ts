/**
 * The mark of a store that is a copy: while it is being made no server may serve it, and only a copy of the same source goes on
 * with it. The first server that serves it removes the mark: from then on it is a store of its own.
 */
import * as v from 'valibot';
import { CairnError, takesNothing } from '../../base/errors.ts';
import { printable } from '../../base/safe-path.ts';
import type { StateStore } from '../state/state-store.ts';

/** The key of the mark, in the state of the target. */
const MARK = 'l/copy';

/** A mark. */
export interface CopyMark {
  /** Names the source, for people and to be compared. */
  readonly from: string;
  readonly isWhole: boolean;
  /** Copies of objects only: those that were put before this time of the target's clock have been read back. */
  readonly verifiedUntilMs: number;
}

const schema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({
    version: v.literal(1),
    from: v.string(),
    isWhole: v.boolean(),
    verifiedUntilMs: v.pipe(v.number(), v.safeInteger()),
  }),
);

type MarkState = Pick<StateStore, 'get' | 'compareAndSet' | 'remove' | 'where'>;

/** The mark of a store; undefined where it has none. @throws CairnError `journal-version` for one of a newer cairn; storage codes */
export async function readMark(state: MarkState): Promise<CopyMark | undefined> {
  const found = await state.get(MARK);
  if (found === undefined) return undefined;
  const result = v.safeParse(schema, found.text);
  if (result.success) return result.output;
  const message = `"${state.where(MARK)}", the mark of a copy, was written by another version of cairn; use that one`;
  throw new CairnError('journal-version', message);
}

/** Marks a store. @throws CairnError `server-busy` where another process marks it; storage codes */
export async function writeMark(state: MarkState, mark: CopyMark): Promise<void> {
  const there = await state.get(MARK);
  const text = JSON.stringify({ version: 1, ...mark });
  if ((await state.compareAndSet(MARK, there?.version ?? null, text)) === undefined)
    throw new CairnError('server-busy', 'another process works on the copy at the same time');
}

/**
 * Refuses a store that is a copy and not whole; answers whether it is a copy.
 *
 * @param shown the store, for people
 * @throws CairnError `config-invalid`; storage codes
 */
export async function refuseUnfinished(state: MarkState, shown: string): Promise<boolean> {
  const mark = await readMark(state);
  if (mark?.isWhole !== false) return mark !== undefined;
  const message = `"${printable(shown)}" is a copy of "${printable(mark.from)}" that is not whole yet; run the same cairn store copy again first`;
  throw new CairnError('config-invalid', message);
}

/**
 * Makes a whole copy a store of its own; to be called by each server before it serves.
 *
 * @throws CairnError as {@link refuseUnfinished}
 */
export async function adoptCopy(state: MarkState, shown: string): Promise<void> {
  if (!(await refuseUnfinished(state, shown))) return;
  try {
    await state.remove(MARK);
  } catch (error) {
    // A disk that takes nothing is served as it is.
    if (!takesNothing(error)) throw error;
  }
}
