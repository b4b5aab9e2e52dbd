/** The codes with which a command may end while something goes wrong. */

/** What a user may be told; anything else is a bug of cairn, or a promise that was broken. */
export const HONEST: ReadonlySet<string> = new Set([
  'network',
  'timeout',
  'server-busy',
  'interrupted',
  'transfer-locked',
  'session-fenced',
  'session-credential',
  'session-not-found',
  'session-expired',
  'session-aborted',
  'session-suspended',
  'storage-full',
  'storage-io',
  'storage-read-only',
  'source-changed',
  'source-missing',
  'chunks-missing',
  'chunk-incomplete',
  'chunk-digest-mismatch',
]);
