/** Every state of a session, once: a file of its own, since the command line names them at every start. */
export const SESSION_STATES = [
  'establishing',
  'open',
  'suspended',
  'committing',
  'committed',
  'aborted',
  'expired',
] as const;
