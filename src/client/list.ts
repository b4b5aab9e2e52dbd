/** `cairn ls URL`: the entries at a URL. */
import type { TransferOptions } from './api/options.ts';
import type { ReachOptions } from './api/reach.ts';
import { EntryTable, numbered, type EntryList } from '../manifest/entry-table.ts';
import { CACHE_TAG, createSelector } from '../manifest/selection.ts';
import { ROUTE } from '../wire/routes.ts';
import { readTree, type Notice } from '../wire/tree-stream.ts';
import { call } from './http/server-calls.ts';
import { cachesIn } from './transfer/remote-caches.ts';
import { selectEntries, selectNotices } from './transfer/remote-selection.ts';
import { inContext } from './transfer/transfer-context.ts';

/** What a listing found, paths relative to the URL. */
export interface Listing {
  readonly entries: EntryList;
  /** What the server could not list, and what a list names that is not there. */
  readonly notices: readonly Notice[];
  /** How many entries the selection left out, a directory counted once. */
  readonly unselected: number;
}

/**
 * Lists the entry at a URL: itself (with the empty path) and its children, or everything below it.
 *
 * @throws CairnError `not-found`, `forbidden`, `unauthenticated`, `manifest-invalid`, network codes, the signal's reason
 */
export function list(
  options: ReachOptions & Pick<TransferOptions, 'selection' | 'wallClock'>,
  { recursive }: { recursive: boolean },
): Promise<Listing> {
  return inContext({ ...options, parallel: 1 }, async (context) => {
    const { server, retrier, signal } = context;
    const { manifest, notices } = await retrier.run(() =>
      server.access.run(async (headers) => {
        const path = ROUTE.tree(server.target, recursive);
        const response = await call(server, { method: 'GET', path, headers, signal });
        return readTree(response.body);
      }),
    );
    const { selection, wallClock = Date.now } = options;
    if (selection === undefined) return { entries: manifest.entries, notices, unselected: 0 };
    const name = server.target.split('/').at(-1) ?? '';
    const selector = createSelector(selection, wallClock());
    const caches = selection.excludesCaches ? await cachesIn(context, manifest.entries) : [];
    for (const directory of caches) selector.closeDirectory(directory, 'cache', CACHE_TAG.name);
    const { unselected, count, missing } = selectEntries(manifest.entries, selector, { name });
    const entries = new EntryTable();
    for (const [index, entry] of numbered(manifest.entries)) if (!unselected.has(index)) entries.push(entry);
    // Without what is below the children, it is not known what is missing.
    return {
      entries,
      notices: [...selectNotices(notices, selector), ...(recursive ? missing : [])],
      unselected: count + caches.length,
    };
  });
}
