/** When a receiver makes sync points: the modes, and which of two is stricter. Pure. */

/** From the strictest to the loosest: with every chunk, by bytes and time, only on request. */
export const SYNC_MODES = ['always', 'group', 'close'] as const;
/** One of {@link SYNC_MODES}. */
export type SyncMode = (typeof SYNC_MODES)[number];

/** What a receiver does unless told otherwise. */
export const DEFAULT_SYNC_MODE: SyncMode = 'group';

/** The stricter of two modes; of one that nobody wished for, the other. */
export function stricterSync(wished: SyncMode | undefined, own: SyncMode): SyncMode {
  if (wished === undefined) return own;
  return SYNC_MODES.indexOf(wished) < SYNC_MODES.indexOf(own) ? wished : own;
}
