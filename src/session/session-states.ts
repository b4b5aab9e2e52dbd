/** Every state of a session. In a file of its own, since the command line loads it at every start. */
export const SESSION_STATES = [
  'establishing',
  'open',
  'suspended',
  'committing',
  'committed',
  'aborted',
  'expired',
] as const;
