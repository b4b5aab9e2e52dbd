/** Looks at sources again, without reading them: whether each one is still the version that was scanned. */
import type { Identity } from '../manifest/entry.ts';
import type { EntryLookup } from './entry-lookup.ts';
import { sourceCodeOf, type SourceCode } from './excluded-entries.ts';

/** The identity of the source at a path now, or why there is no source. */
export type FoundSource = { readonly identity: Identity } | { readonly code: SourceCode };

/**
 * Looks at each path. An obstacle, such as a symlink or a FIFO, concerns its own path alone.
 *
 * @throws CairnError for a failure of the whole store
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
  // One of the paths has an obstacle; single look-ups show which one.
  const found: FoundSource[] = [];
  for (const path of paths) found.push(...(await lookUpSources(store, [path])));
  return found;
}

const LOOKUPS_AT_A_TIME = 1000;

/** Looks up entries by their indices, in batches; yields each index with its result. */
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

/** Why a source is not the version that was scanned; undefined where it is. */
export function changeOf(found: FoundSource, scanned: Identity | undefined): SourceCode | undefined {
  if ('code' in found) return found.code;
  return found.identity === scanned ? undefined : 'source-changed';
}
