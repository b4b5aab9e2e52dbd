/** Looks at sources again, without reading them: whether each is still what was scanned. */
import type { Identity } from '../manifest/entry.ts';
import type { EntryLookup } from './entry-lookup.ts';
import { sourceCodeOf, type SourceCode } from './excluded-entries.ts';

/** What is at a path now: its identity, or why there is nothing that could be a source. */
export type FoundSource = { readonly identity: Identity } | { readonly code: SourceCode };

/**
 * What is at each path. What stands in the way of one of them, a symlink or a FIFO, is told of that one alone.
 *
 * @throws CairnError what says something of the whole store
 */
export async function lookUpSources(
  store: Pick<EntryLookup, 'lookup'>,
  paths: readonly string[],
): Promise<FoundSource[]> {
  try {
    return (await store.lookup(paths)).map((found) =>
      found === undefined ? { code: 'source-missing' } : { identity: found.identity },
    );
  } catch (error) {
    const code = sourceCodeOf(error);
    if (code === undefined) throw error;
    if (paths.length === 1) return [{ code }];
  }
  // One of them has something in its way; which one shows when each is asked alone.
  const found: FoundSource[] = [];
  for (const path of paths) found.push(...(await lookUpSources(store, [path])));
  return found;
}

const LOOKUPS_AT_A_TIME = 1000;

/** Looks up entries by their indices, so many at a time; each comes with what was found of it. */
export async function* lookUpInTurn(
  entries: readonly number[],
  lookUp: (batch: readonly number[]) => Promise<readonly FoundSource[]>,
): AsyncGenerator<readonly [entryIndex: number, found: FoundSource]> {
  for (let at = 0; at < entries.length; at += LOOKUPS_AT_A_TIME) {
    const batch = entries.slice(at, at + LOOKUPS_AT_A_TIME);
    const found = await lookUp(batch);
    for (const [position, index] of batch.entries()) yield [index, found[position]!];
  }
}

/** Why what was found is not the source that was scanned; undefined where it is. */
export function changeOf(found: FoundSource, scanned: Identity | undefined): SourceCode | undefined {
  if ('code' in found) return found.code;
  return found.identity === scanned ? undefined : 'source-changed';
}
