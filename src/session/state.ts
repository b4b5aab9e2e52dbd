/**
 * The states of a session and the one table of their transitions (after ITU-T X.225: establish, maintain, synchronise,
 * terminate). Both sides use it.
 */
import type { ErrorCode } from '../base/errors.ts';
import type { SESSION_STATES } from './session-states.ts';

/** A state of a session. */
export type SessionState = (typeof SESSION_STATES)[number];

/**
 * An event of a session: `prepare` (manifest, plan, digests before it is open), `opened` (plan agreed), `transfer`
 * (chunk, sync, heartbeat), `suspend`, `resume`, `commit`, `incomplete` (commit found chunks missing or wrong),
 * `published`, `abort`, `expire`.
 */
export type SessionEvent =
  | 'prepare'
  | 'opened'
  | 'transfer'
  | 'suspend'
  | 'resume'
  | 'commit'
  | 'incomplete'
  | 'published'
  | 'abort'
  | 'expire';

/** The next state, or the error code of a refused event. */
export type Transition = { readonly state: SessionState } | { readonly refused: ErrorCode };

const to = (state: SessionState): Transition => ({ state });
const refused = (code: ErrorCode): Transition => ({ refused: code });

const IN_PROGRESS = {
  abort: to('aborted'),
  expire: to('expired'),
} as const;

const ended = (code: ErrorCode): Record<SessionEvent, Transition> => ({
  prepare: refused(code),
  opened: refused(code),
  transfer: refused(code),
  suspend: refused(code),
  resume: refused(code),
  commit: refused(code),
  incomplete: refused(code),
  published: refused(code),
  abort: refused(code),
  expire: refused(code),
});

const WRONG = refused('session-state');

const TABLE: Readonly<Record<SessionState, Readonly<Record<SessionEvent, Transition>>>> = {
  establishing: {
    ...IN_PROGRESS,
    prepare: to('establishing'),
    opened: to('open'),
    transfer: WRONG,
    // Before the plan there is nothing to suspend: the session simply waits.
    suspend: to('establishing'),
    resume: to('establishing'),
    commit: WRONG,
    incomplete: WRONG,
    published: WRONG,
  },
  open: {
    ...IN_PROGRESS,
    prepare: to('open'),
    opened: to('open'),
    transfer: to('open'),
    suspend: to('suspended'),
    resume: to('open'),
    commit: to('committing'),
    incomplete: WRONG,
    published: WRONG,
  },
  suspended: {
    ...IN_PROGRESS,
    prepare: refused('session-suspended'),
    opened: refused('session-suspended'),
    transfer: refused('session-suspended'),
    suspend: to('suspended'),
    resume: to('open'),
    commit: refused('session-suspended'),
    incomplete: WRONG,
    published: WRONG,
  },
  committing: {
    ...IN_PROGRESS,
    prepare: WRONG,
    opened: WRONG,
    transfer: WRONG,
    suspend: to('committing'),
    resume: to('committing'),
    commit: to('committing'),
    incomplete: to('open'),
    published: to('committed'),
  },
  committed: {
    ...ended('session-state'),
    // The reply to a commit may be lost: a repeated commit, also in a new epoch, gets the same answer.
    suspend: to('committed'),
    resume: to('committed'),
    commit: to('committed'),
    expire: to('committed'),
  },
  aborted: { ...ended('session-aborted'), abort: to('aborted') },
  expired: { ...ended('session-expired'), expire: to('expired'), abort: to('expired') },
};

/** The one transition function: the transition of a session in `state` at `event`. */
export function transition(state: SessionState, event: SessionEvent): Transition {
  return TABLE[state][event];
}

/** Whether a session in this state will never change again. */
export function isTerminal(state: SessionState): boolean {
  return state === 'committed' || state === 'aborted' || state === 'expired';
}
