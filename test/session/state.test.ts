import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ERROR_TABLE } from '../../src/base/errors.ts';
import { isTerminal, transition, type SessionEvent, type SessionState } from '../../src/session/state.ts';

const EVENTS = [
  'prepare',
  'opened',
  'transfer',
  'suspend',
  'resume',
  'commit',
  'incomplete',
  'published',
  'abort',
  'expire',
] as const satisfies readonly SessionEvent[];

/** What becomes of each state with each event, in the order of EVENTS. Codes start with '!'. */
const EXPECTED: Readonly<Record<SessionState, string>> = {
  establishing:
    'establishing open !session-state establishing establishing !session-state !session-state !session-state aborted expired',
  open: 'open open open suspended open committing !session-state !session-state aborted expired',
  suspended:
    '!session-suspended !session-suspended !session-suspended suspended open !session-suspended !session-state !session-state aborted expired',
  committing:
    '!session-state !session-state !session-state committing committing committing open committed aborted expired',
  committed:
    '!session-state !session-state !session-state committed committed committed !session-state !session-state !session-state committed',
  aborted: `${'!session-aborted '.repeat(8)}aborted !session-aborted`,
  expired: `${'!session-expired '.repeat(8)}expired expired`,
};

const STATES = Object.keys(EXPECTED) as SessionState[];

describe('session states', () => {
  const cases = STATES.flatMap((state) =>
    EXPECTED[state].split(' ').map((outcome, index) => [state, EVENTS[index]!, outcome] as const),
  );

  it('the table of session states has a row for every state and a column for every event', () => {
    expect(cases).toHaveLength(STATES.length * EVENTS.length);
  });

  it.each(cases)('a session that is %s becomes, with the event %s: %s', (state, event, outcome) => {
    const next = transition(state, event);
    expect('state' in next ? next.state : `!${next.refused}`).toBe(outcome);
    if ('refused' in next) expect(ERROR_TABLE).toHaveProperty(next.refused);
  });

  it('no event lets a session out of a terminal state', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...STATES),
        fc.array(fc.constantFrom(...EVENTS), { maxLength: 40 }),
        (start, events) => {
          let state = start;
          let terminal: SessionState | undefined;
          for (const event of events) {
            if (isTerminal(state)) terminal ??= state;
            const next = transition(state, event);
            if ('state' in next) state = next.state;
            if (terminal !== undefined) expect(state).toBe(terminal);
          }
        },
      ),
    );
  });

  it('a session becomes committed only from committing', () => {
    for (const state of STATES) {
      for (const event of EVENTS) {
        const next = transition(state, event);
        if ('state' in next && next.state === 'committed')
          expect(['committing', 'committed']).toContain(state);
      }
    }
  });

  it('every session that is not over can be aborted and can expire', () => {
    for (const state of STATES.filter((each) => !isTerminal(each))) {
      expect(transition(state, 'abort')).toEqual({ state: 'aborted' });
      expect(transition(state, 'expire')).toEqual({ state: 'expired' });
    }
  });

  it('committed, aborted and expired are the terminal session states', () => {
    expect(STATES.filter(isTerminal)).toEqual(['committed', 'aborted', 'expired']);
  });
});
