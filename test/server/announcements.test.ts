import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import {
  createAnnouncements,
  tellingEnds,
  type Announced,
} from '../../src/server/core/quota/announcements.ts';
import { createTally } from '../../src/server/core/quota/session-tally.ts';
import { createMemoryObjects } from '../../src/storage/objects/memory/memory-objects.ts';
import { createDocumentSessions } from '../../src/storage/state/document-sessions.ts';
import { createObjectState } from '../../src/storage/state/objects/object-state.ts';
import { createMemoryHub } from '../support/memory-stores/memory-shared-memory.ts';
import { recordOf } from '../suites/session-store.ts';

const HOUR_MS = 3_600_000;

/** A node with a tally; `steps` has what was done in which order. */
function openNode(hub: ReturnType<typeof createMemoryHub>) {
  const clock = { ms: 0 };
  const steps: string[] = [];
  const tally = createTally(() => clock.ms);
  const noteElsewhere: typeof tally.noteElsewhere = (told) => {
    steps.push(`${told.session} ${told.end ?? 'coming'}`);
    return tally.noteElsewhere(told);
  };
  const room = { noteElsewhere: (id: string, bytes: number) => void steps.push(`room of ${id}: ${bytes}`) };
  const ledger = {
    refresh: async () => {
      steps.push('ledger');
      await setImmediate();
    },
  };
  const announcements = createAnnouncements({ memory: hub.node(), tally: { noteElsewhere }, room, ledger });
  return { clock, steps, tally, ...announcements };
}

const coming = (session: string, amounts: Announced['amounts'] = {}, end?: Announced['end']): Announced => ({
  session,
  principal: 'p',
  authorizations: ['token:a'],
  amounts,
  end,
});

it('what a session has published is read before it counts as over', async () => {
  const hub = createMemoryHub();
  const [one, other] = [openNode(hub), openNode(hub)];
  await one.tell(coming('s', { bytes: 10, manifestBytes: 2 }));
  await one.tell(coming('s', {}, 'over'));
  await one.tell(coming('t', { bytes: 5 }));
  await other.tell(coming('u'));
  expect(other.steps).toEqual([
    'ledger',
    's coming',
    'room of s: 12',
    's over',
    'room of s: 0',
    't coming',
    'room of t: 5',
  ]);
});

it('nobody reads what was charged because of sessions that nothing was charged for', async () => {
  const hub = createMemoryHub();
  const [one, other] = [openNode(hub), openNode(hub)];
  const sessions = createDocumentSessions(createObjectState(createMemoryObjects()));
  const telling = tellingEnds(sessions, one, ({ authorization }) => authorization !== undefined);
  const record = recordOf('s', { leaseExpiresAtMs: HOUR_MS });
  await telling.create(record);
  expect(await telling.replace({ ...record, version: 2, state: 'aborted' })).toBe(true);
  await other.tell(coming('t'));
  expect(other.steps).toEqual([`${record.id} over`, `room of ${record.id}: 0`]);
});

it('of two requests that ask at once, the one that hears nothing new waits for what the other has heard', async () => {
  const hub = createMemoryHub();
  const [one, other] = [openNode(hub), openNode(hub)];
  await one.tell(coming('s'));
  await one.tell(coming('s', {}, 'over'));
  const first = other.tell(coming('t'));
  const second = other.tell(coming('u')).then(() => other.tally.count('all').sessions);
  expect(await second).toBe(0);
  await first;
});

it('what is told counts until it is over, or for a few minutes where no record says it', async () => {
  const hub = createMemoryHub();
  const [one, other] = [openNode(hub), openNode(hub)];
  const query = { authorization: 'token:a' };
  await one.tell(coming('s', { bytes: 10 }));
  await one.tell(coming('s', { entries: 3 }));
  await other.tell(coming('t'));
  expect(other.tally.count(query)).toMatchObject({ sessions: 1, bytes: 10, entries: 3 });
  expect(other.tally.isOnlyTold('s')).toBe(true);
  other.clock.ms = HOUR_MS;
  expect(other.tally.count(query)).toMatchObject({ sessions: 0, bytes: 0 });
  expect(other.tally.isOnlyTold('s')).toBe(false);
});

it.each([
  ['known by its record', true, false],
  ['known by what was told', false, true],
  ['not known', false, false],
])(
  'a session that was %s, and is over, stays so, although an older record of it is read later',
  (_how, isNoted, isTold) => {
    const { tally } = openNode(createMemoryHub());
    const record = recordOf('s', { leaseExpiresAtMs: HOUR_MS });
    if (isNoted) tally.note(record);
    if (isTold) tally.noteElsewhere(coming(record.id));
    expect(tally.count('all').sessions).toBe(isNoted || isTold ? 1 : 0);
    tally.noteElsewhere(coming(record.id, {}, 'over'));
    tally.note({ ...record, version: 2 });
    expect(tally.count('all').sessions).toBe(0);
  },
);

it('a session that was told to be over, and whose record says for minutes that it is not, counts again', async () => {
  const { tally, clock } = openNode(createMemoryHub());
  const record = recordOf('s', { leaseExpiresAtMs: HOUR_MS });
  tally.noteElsewhere(coming(record.id, {}, 'over'));
  clock.ms = 149_999;
  tally.note(record);
  expect(tally.count('all').sessions).toBe(0);
  clock.ms = 150_000;
  tally.note(record);
  expect(tally.count('all').sessions).toBe(1);
});

it('a session that was refused once may come again', async () => {
  const { tally } = openNode(createMemoryHub());
  const record = recordOf('s', { leaseExpiresAtMs: HOUR_MS });
  tally.noteElsewhere(coming(record.id));
  tally.noteElsewhere(coming(record.id, {}, 'withdrawn'));
  expect(tally.count('all').sessions).toBe(0);
  tally.note(record);
  expect(tally.count('all').sessions).toBe(1);
});

it('a text that is no announcement changes nothing', async () => {
  const hub = createMemoryHub();
  const node = openNode(hub);
  const stranger = hub.node();
  const wrong = ['', '{}', 'null', '[1]', JSON.stringify({ ...coming('s'), amounts: { bytes: -1 } })];
  for (const text of [...wrong, JSON.stringify({ ...coming('s'), end: 'x' })]) await stranger.append(text);
  await node.tell(coming('t'));
  expect(node.steps).toEqual([]);
});
