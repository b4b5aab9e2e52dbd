/** What a node tells on its standard output. */

/** One line; `begins` and `ends` are those of publishing a session. */
export type NodeLine =
  | { readonly type: 'listening' }
  | { readonly type: 'begins' | 'ends'; readonly session: string }
  /** A change of the store, where they are counted; the node is about to kill or stop itself. */
  | { readonly type: 'change'; readonly what: string }
  | { readonly type: 'struck' }
  | { readonly type: 'log'; readonly message: string; readonly fields: string };

/** The access token that every node takes. */
export const NODE_TOKEN = 'test-token-of-the-servers-over-one-store-0000';

/** How long the lease of a publisher is, in these tests. */
export const PUBLISHER_LEASE_MS = 3000;

/** The environment variable that says how far the clock of a node is ahead, in milliseconds. */
export const SKEW = 'CAIRN_TEST_CLOCK_AHEAD_MS';
