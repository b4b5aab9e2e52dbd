/** The states of sessions by which they can be chosen: a file of its own, since the command line names them at every start. */
export const SESSION_STATES = [
  'establishing',
  'open',
  'suspended',
  'committing',
  'committed',
  'aborted',
  'expired',
] as const;
