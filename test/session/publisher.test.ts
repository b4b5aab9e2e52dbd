import { expect, test } from 'vitest';
import { claimedBy, givenBack, type Publisher } from '../../src/session/publisher.ts';
import { formatRecord, parseRecord } from '../../src/session/record-schema.ts';
import { recordOf } from '../suites/session-store.ts';

const FIRST: Publisher = { node: 'a', term: 1, untilMs: 1000 };

test('each claim of a publisher has a term of its own, and knows how far the one before had come', () => {
  expect(claimedBy('a', { before: undefined, untilMs: 1000 })).toEqual(FIRST);
  const before = { ...FIRST, entriesDone: 7, begun: true };
  const next = { node: 'b', term: 2, untilMs: 2000, entriesDone: 7, begun: true };
  expect(claimedBy('b', { before, untilMs: 2000 })).toEqual(next);
  // Also of the same node, whose older job must not go on in the new one's name.
  expect(claimedBy('a', { before: FIRST, untilMs: 2000 }).term).toBe(2);
});

test('a claim that is given back keeps its term, and keeps that it has begun only if it is to be finished', () => {
  const publisher = { ...FIRST, begun: true };
  expect(givenBack(publisher, true)).toEqual({ ...publisher, untilMs: 0 });
  expect(givenBack(publisher, false)).toEqual({ ...FIRST, untilMs: 0 });
});

test('a session record is read with a publisher and, as older ones are, without', () => {
  const publisher = { ...FIRST, entriesDone: 3, begun: true };
  for (const record of [recordOf('a'), recordOf('a', { publisher })]) {
    expect(parseRecord(formatRecord(record), 'a record')).toEqual(record);
  }
  const broken = { ...recordOf('a'), publisher: { node: 'a', term: -1, untilMs: 0 } };
  expect(parseRecord(formatRecord(broken), 'a record')).toBeUndefined();
});
