/** `cairn ls URL`: the entries at a URL. */
import type { ReachOptions } from './api/reach.ts';
import type { EntryList } from '../manifest/entry-table.ts';
import { ROUTE } from '../wire/routes.ts';
import { readTree, type Notice } from '../wire/tree-stream.ts';
import { call } from './http/server-calls.ts';
import { inContext } from './transfer/transfer-context.ts';

/** What a listing found, paths relative to the URL. */
export interface Listing {
  readonly entries: EntryList;
  /** What the server could not list. */
  readonly notices: readonly Notice[];
}

/**
 * Lists the entry at a URL: itself (with the empty path) and its children, or everything below it.
 *
 * @throws CairnError `not-found`, `unauthenticated`, `manifest-invalid`, network codes, the signal's reason
 */
export function list(options: ReachOptions, { recursive }: { recursive: boolean }): Promise<Listing> {
  return inContext({ ...options, parallel: 1 }, async ({ server, retrier, signal }) => {
    const { manifest, notices } = await retrier.run(() =>
      server.access.run(async (headers) => {
        const path = ROUTE.tree(server.target, recursive);
        const response = await call(server, { method: 'GET', path, headers, signal });
        return readTree(response.body);
      }),
    );
    return { entries: manifest.entries, notices };
  });
}
