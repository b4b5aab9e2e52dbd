import type { Phase } from '../../client/api/events.ts';

/** What a transfer is busy with, for people. */
export const PHASE_WORDS: Readonly<Record<Phase, string>> = {
  scanning: 'scanning',
  comparing: 'comparing',
  transferring: 'transferring',
  committing: 'verifying and publishing',
};
