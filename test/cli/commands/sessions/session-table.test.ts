import { describe, expect, test } from 'vitest';
import type { SessionDetails, SessionSummary } from '../../../../src/wire/admin-messages.ts';
import {
  isoText,
  sessionLines,
  sessionObject,
  sessionTable,
  traceLines,
} from '../../../../src/cli/commands/sessions/session-table.ts';

const NOW = 1_763_963_520_000;
const SUMMARY: SessionSummary = {
  session: 'A'.repeat(22),
  owner: 'alice',
  direction: 'push',
  target: 'backups/home',
  state: 'suspended',
  epoch: 3,
  resumes: 2,
  createdAtMs: NOW - 3_600_000,
  touchedAtMs: NOW - 60_000,
  leaseExpiresAtMs: NOW + 86_400_000,
  bytesTotal: 1000,
  bytesDone: 250,
  chunksTotal: null,
  chunksDone: null,
  addresses: ['192.0.2.7'],
  lastError: null,
  authorization: { id: 'token:first', expiresAtMs: null },
  inMemory: false,
  requests: 0,
};
const DETAILS: SessionDetails = {
  ...SUMMARY,
  chunkSizeBytes: 65_536,
  parallel: 4,
  digest: 'xxh64',
  sync: 'group',
  history: [],
};

describe('tables of sessions', () => {
  test('a table of sessions has a line for each session, and says so if there are none', () => {
    expect(sessionTable([], NOW)).toEqual(['no sessions\n']);
    const [heading, line] = sessionTable([SUMMARY], NOW);
    expect(heading).toMatch(/^ID +STATE +EPOCH +DONE +TOUCHED +EXPIRES +OWNER +TARGET\n$/);
    expect(line).toMatch(
      /^A{8} {2}suspended {2}3 +25% of 1000 B +1m00s ago +in 1d00h +alice +→ \/backups\/home\n$/,
    );
  });

  test('a table of sessions shows unknown numbers as unknown', () => {
    const done = (changes: Partial<SessionSummary>) => sessionTable([{ ...SUMMARY, ...changes }], NOW)[1];
    expect(done({ bytesDone: null })).toContain('? of 1000 B');
    expect(done({ bytesTotal: null })).toContain(' 250 B ');
    expect(done({ bytesTotal: null, bytesDone: null })).toContain(' ? ');
    expect(done({ bytesTotal: 0, bytesDone: 0 })).toContain('100% of 0 B');
    expect(done({ leaseExpiresAtMs: NOW - 1 })).toContain(' now ');
    expect(done({ requests: 2, state: 'open' })).toContain('open (2 requests)');
  });

  test('a table of sessions takes ten thousand of them', () => {
    expect(
      sessionTable(
        Array.from({ length: 10_000 }, () => SUMMARY),
        NOW,
      ),
    ).toHaveLength(10_001);
  });

  test('a table of sessions cannot move the cursor, whatever a server sends', () => {
    const hostile = '\u001b[2J\u202e';
    const lines = [
      ...sessionTable([{ ...SUMMARY, owner: hostile, target: hostile }], NOW),
      ...sessionLines(
        {
          ...DETAILS,
          owner: hostile,
          addresses: [hostile],
          authorization: { id: hostile, expiresAtMs: NOW },
          lastError: { atMs: NOW, code: 'network', message: hostile },
        },
        NOW,
      ),
      ...traceLines([{ atMs: NOW, what: 'aborted', epoch: 1, by: hostile, from: hostile }]),
    ];
    for (const character of hostile.replaceAll('[2J', '')) expect(lines.join('')).not.toContain(character);
  });
});

test('the history of a session is shown with a line for each moment', () => {
  const lines = traceLines([
    { atMs: NOW, what: 'established', epoch: 1, by: 'token:a', from: '192.0.2.7' },
    { atMs: NOW + 5, what: 'aborted', epoch: 1, why: 'administrator' },
  ]);
  expect(lines[0]).toBe(`${isoText(NOW)}  established  epoch 1  by token "a"  from 192.0.2.7\n`);
  expect(lines[1]).toBe(`${isoText(NOW + 5)}  aborted      epoch 1  why administrator\n`);
});

test('times are shown as local times, with their offset', () => {
  expect(isoText(NOW)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$/);
  expect(new Date(isoText(NOW)).getTime()).toBe(NOW);
  for (const ms of [Number.NaN, 8.64e15 + 1, Number.MAX_SAFE_INTEGER]) expect(isoText(ms)).toBe('?');
});

test('a session for scripts is an object with all of its fields', () => {
  expect(sessionObject(SUMMARY)).toEqual({ type: 'session', ...SUMMARY });
});
