/** The modes in which a receiver makes sync points, and their order. Pure. */

/** From the strictest to the loosest: after every chunk, by bytes and time, only on request. */
export const SYNC_MODES = ['always', 'group', 'close'] as const;
/** One of {@link SYNC_MODES}. */
export type SyncMode = (typeof SYNC_MODES)[number];

/** The mode of a receiver unless options set another. */
export const DEFAULT_SYNC_MODE: SyncMode = 'group';

/** The stricter of two modes; `own` where there is no wish. */
export function stricterSync(wished: SyncMode | undefined, own: SyncMode): SyncMode {
  if (wished === undefined) return own;
  return SYNC_MODES.indexOf(wished) < SYNC_MODES.indexOf(own) ? wished : own;
}
